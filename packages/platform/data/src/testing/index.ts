export { emptyDatabase, TEST_APP_SECRET, type TestDatabase, testDatabase } from './database.ts'
export { freePort } from './port.ts'
