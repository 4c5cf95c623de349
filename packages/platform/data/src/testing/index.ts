export { emptyDatabase, TEST_APP_SECRET, type TestDatabase, testDatabase } from './database.ts'
export { portToKeep } from './port.ts'
