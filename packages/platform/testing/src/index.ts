export { TEST_APP_SECRET, type TestDatabase, testDatabase } from '@offshoot/data/testing'
export { type TestApp, tenantId, testApp, userId, type Who } from './app.ts'
