export { TEST_APP_SECRET, type TestDatabase, testDatabase } from '@offshoot/data/testing'
export { type TestApp, type TestAppOptions, tenantId, testApp, userId, type Who } from './app.ts'
export type { Outage } from './outage.ts'
export { settled } from './settled.ts'
