import type { MigrationErrorCode } from './errors.ts'
import type { MigrateOptions } from './migrate.ts'

/** How a domain's database relates to its migrations. */
export interface DomainStatus {
  readonly domain: string
  readonly applied: readonly string[]
  readonly pending: readonly string[]
  /** Edited, missing or failed migrations, and drift. Empty when all is well. */
  readonly problems: readonly { readonly code: MigrationErrorCode; readonly message: string }[]
}

/** Compares databases with migrations. Changes nothing; throws only when a database can't be reached. */
export async function status(
  _options: Pick<MigrateOptions, 'adminUrl' | 'domains' | 'adminUrls'>,
): Promise<DomainStatus[]> {
  throw new Error('not there yet')
}
