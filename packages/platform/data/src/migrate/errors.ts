/** Why migrating was refused or failed. Stable: scripts and alerts may depend on them. */
export type MigrationErrorCode =
  /** A file differs from what was applied. */
  | 'MIGRATION_EDITED'
  /** The database has applied a migration that the folder doesn't have. */
  | 'MIGRATION_MISSING'
  /** A migration's SQL was refused; nothing of it was applied. */
  | 'MIGRATION_FAILED'
  /** The database differs from what its migrations make. */
  | 'DRIFT'
  /** Another process held the lock for too long, on the migration or on a table. */
  | 'LOCKED'
  /** The administrator's role lacks a right, or the server can't be used. */
  | 'NOT_PERMITTED'
  /** A new table is neither a tenant table nor listed as global. */
  | 'UNCLASSIFIED_TABLE'
  /** A migration's name has other characters than `a-z`, `0-9` and `_`. */
  | 'INVALID_NAME'
  /** Prisma can't make sense of schema.prisma. */
  | 'SCHEMA_REFUSED'
  /** The domain has moved to another database. */
  | 'MOVED'
  /** The domain is being moved, or what a move left behind has not been purged. */
  | 'MOVING'
  /** There is nothing of a removed domain with that name. */
  | 'NOT_ORPHANED'
  /** Resetting or dropping was refused because of where it would happen. */
  | 'RESET_REFUSED'

/** A refusal or failure of the migration tooling, with a sentence that says what to do. */
export class MigrationError extends Error {
  readonly code: MigrationErrorCode

  constructor(code: MigrationErrorCode, message: string, options?: ErrorOptions) {
    super(`${message} [${code}]`, options)
    this.name = 'MigrationError'
    this.code = code
  }
}
