export { databaseUnavailable, isOvertaken, isUniqueViolation } from './failures.ts'
export type { Emission, Lane, LaneTables, LaneTransaction, TransactionOptions } from './lane.ts'
export { type LaneLease, type Lanes, type LanesOptions, openLanes } from './lanes.ts'
