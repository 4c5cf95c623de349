/** Why moving a domain was refused, or stopped. Stable: scripts and alerts may depend on them. */
export type MoveErrorCode =
  /** A database cannot be reached, by whoever moves or by the other database. */
  | 'UNREACHABLE'
  /** The target is the database in which the domain is. */
  | 'SAME_DATABASE'
  /** A server is older than PostgreSQL 15. */
  | 'OLD_SERVER'
  /** A server does not run with wal_level=logical. */
  | 'WAL_LEVEL'
  /** A server has no replication slot left, or no process to receive with. */
  | 'NO_SLOTS'
  /** The administrator lacks a right. */
  | 'NOT_PERMITTED'
  /** The domain's migrations are not all applied, or others than this program knows. */
  | 'NOT_MIGRATED'
  /** A table has no primary key, or something that a stream does not carry. */
  | 'NOT_MOVABLE'
  /** The domain is not in the database that the settings name. */
  | 'NOT_HERE'
  /** The target has data of the domain that do not come from this move. */
  | 'TARGET_NOT_EMPTY'
  /** Another process is moving the domain at this moment. */
  | 'MOVE_RUNNING'
  /** A move to another database has begun, or an earlier one has not been purged. */
  | 'OTHER_MOVE'
  /** There is no move to take back or to purge. */
  | 'NO_MOVE'
  /** The administrator's URL of one of the two databases is not known. */
  | 'WHERE'
  /** PostgreSQL stopped the copy or the stream: its log says why. */
  | 'STREAM_STOPPED'
  /** The two databases differ. */
  | 'DIFFERENT'
  /** No moment was found at which nothing was being written. */
  | 'BUSY'

/** A refusal or failure, with a sentence that says what to do. */
export class MoveError extends Error {
  readonly code: MoveErrorCode

  constructor(code: MoveErrorCode, message: string, options?: ErrorOptions) {
    super(`${message} [${code}]`, options)
    this.name = 'MoveError'
    this.code = code
  }
}
