import type { Client } from 'pg'
import { asAdministrator } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError, type MigrationErrorCode } from './errors.ts'
import { byDatabase, type MigrateOptions } from './migrate.ts'
import { appliedMigrations, historyProblems, readMigrations } from './migrations.ts'
import { inShadow } from './shadow.ts'
import { differences, readStructure } from './structure.ts'

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
  options: Pick<MigrateOptions, 'adminUrl' | 'domains' | 'adminUrls'>,
): Promise<DomainStatus[]> {
  const found = new Map<string, DomainStatus>()
  for (const [url, residents] of byDatabase(options)) {
    await asAdministrator(url, async (client) => {
      for (const domain of residents) found.set(domain.name, await statusOf(client, domain))
    })
  }
  return options.domains.map(({ name }) => found.get(name)!)
}

async function statusOf(client: Client, domain: DomainSchema): Promise<DomainStatus> {
  const folder = readMigrations(domain)
  const history = await appliedMigrations(client, domain.name)
  const applied = history.filter(({ finished_at }) => finished_at).map(({ migration_name }) => migration_name)
  const problems: { code: MigrationErrorCode; message: string }[] = historyProblems(domain, folder, history)
  if (problems.length === 0 && applied.length > 0) {
    const drift = await driftOf(client, domain, applied)
    if (drift) problems.push(drift)
  }
  return {
    domain: domain.name,
    applied,
    pending: folder.map(({ name }) => name).filter((name) => !applied.includes(name)),
    problems,
  }
}

/** How the database differs from what the migrations that it has applied make. */
async function driftOf(
  client: Client,
  domain: DomainSchema,
  applied: readonly string[],
): Promise<MigrationError | undefined> {
  const actual = await readStructure(client, domain.name)
  const migrations = readMigrations(domain).filter(({ name }) => applied.includes(name))
  try {
    const lines = await inShadow(client, domain, migrations, async () =>
      differences(actual, await readStructure(client, domain.name)),
    )
    if (lines.length === 0) return undefined
    return new MigrationError(
      'DRIFT',
      `${domain.name}: the database differs from what its migrations make: ${lines.join('; ')}; ` +
        'undo by hand what was done by hand, or write a migration that does it',
    )
  } catch (error) {
    if (error instanceof MigrationError) return error
    throw error
  }
}
