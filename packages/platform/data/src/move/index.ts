export { MoveError, type MoveErrorCode } from './errors.ts'
export { type MoveOptions, moveBack, moveData, type Outcome, type Progress, purgeMove } from './move.ts'
export type { Step } from './record.ts'
