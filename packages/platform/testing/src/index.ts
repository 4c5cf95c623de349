export { emptyDatabase, TEST_APP_SECRET, type TestDatabase, testDatabase } from './database.ts'
export { type TestApp, type Who, tenantId, testApp, userId } from './app.ts'
