/**
 * Applies migrations. A migration and its record in `_prisma_migrations` commit in one transaction, so a migration is
 * applied as a whole or not at all, whatever ends the process; a failed one is retried once its file is right.
 */
import { randomUUID } from 'node:crypto'
import type { Client, DatabaseError } from 'pg'
import { asAdministrator, quote, reason } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError } from './errors.ts'
import { ensureHistory, type Migration, pendingMigrations } from './migrations.ts'
import { provisionLocked, provisionTransport } from './provision.ts'
import { transport } from './roles.ts'
import { lineOf, runScript } from './script.ts'

/** What {@link migrate} needs. */
export interface MigrateOptions {
  /** The administrator of the database in which the domains live. */
  readonly adminUrl: string
  readonly domains: readonly DomainSchema[]
  readonly appSecret: string
  /** The administrators of domains that live in a database of their own (`<DOMAIN>_ADMIN_DATABASE_URL`), by domain. */
  readonly adminUrls?: Readonly<Record<string, string | undefined>>
  /** Told of each migration that was applied. */
  readonly log?: (line: string) => void
}

/** Provisions and migrates; returns what was applied, as `<domain>/<migration>`. Safe when several processes do it at once. */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const applied: string[] = []
  for (const [url, residents] of byDatabase(options)) {
    applied.push(...(await asAdministrator(url, (client) => migrateLocked(client, residents, options))))
  }
  const meeting = options.adminUrls?.[transport] ?? options.adminUrl
  await asAdministrator(meeting, (client) => provisionTransport(client, options.appSecret))
  return applied
}

/** The same for the domains of one database, on a connection that holds the migration lock. */
export async function migrateLocked(
  client: Client,
  residents: readonly DomainSchema[],
  { appSecret, log }: Pick<MigrateOptions, 'appSecret' | 'log'>,
): Promise<string[]> {
  await provisionLocked(client, residents, appSecret)
  const applied: string[] = []
  for (const domain of residents) applied.push(...(await applyPending(client, domain, log)))
  return applied
}

/** The domains by the administrator's URL of the database in which they live. */
export function byDatabase({
  adminUrl,
  domains,
  adminUrls = {},
}: Pick<MigrateOptions, 'adminUrl' | 'domains' | 'adminUrls'>): Map<string, DomainSchema[]> {
  return Map.groupBy(domains, ({ name }) => adminUrls[name] ?? adminUrl)
}

/** Applies what is pending for one domain, on a connection that holds the migration lock. */
async function applyPending(client: Client, domain: DomainSchema, log?: (line: string) => void): Promise<string[]> {
  await ensureHistory(client, domain.name)
  const pending = await pendingMigrations(client, domain)
  for (const migration of pending) {
    await apply(client, domain.name, migration)
    log?.(`${domain.name}: applied ${migration.name}`)
  }
  return pending.map(({ name }) => `${domain.name}/${name}`)
}

async function apply(client: Client, domain: string, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await runScript(client, domain, sql)
    await client.query(
      `INSERT INTO ${quote(domain)}._prisma_migrations
         (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    )
    const { command } = await client.query('COMMIT')
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
  } catch (error) {
    await client.query('ROLLBACK')
    throw failure(domain, name, sql, error as DatabaseError)
  }
}

/** A migration's failure, in a sentence. */
export function failure(domain: string, name: string, sql: string, error: DatabaseError): MigrationError {
  if (error.code === '55P03') {
    return new MigrationError(
      'LOCKED',
      `${domain}: migration ${name} waited too long for a table that is in use; nothing was applied, try again`,
      { cause: error },
    )
  }
  const line = lineOf(error, sql)
  const detail = error.detail ? ` (${error.detail})` : ''
  return new MigrationError(
    'MIGRATION_FAILED',
    `${domain}: migration ${name} failed${line ? ` at line ${line}` : ''}: ${reason(error)}${detail}; nothing of it was applied, correct migration.sql and migrate again`,
    { cause: error },
  )
}
