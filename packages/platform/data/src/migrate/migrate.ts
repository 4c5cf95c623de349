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
import { placementOf } from './placement.ts'
import { provisionLocked, provisionTransport } from './provision.ts'
import { transport } from './roles.ts'
import { concurrentIndex, lineOf, runScript } from './script.ts'

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
  { appSecret, log, moving = false }: Pick<MigrateOptions, 'appSecret' | 'log'> & { moving?: boolean },
): Promise<string[]> {
  if (!moving) for (const { name } of residents) await assertHere(client, name)
  await provisionLocked(client, residents, appSecret)
  const applied: string[] = []
  for (const domain of residents) applied.push(...(await applyPending(client, domain, moving, log)))
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
async function applyPending(
  client: Client,
  domain: DomainSchema,
  moving: boolean,
  log?: (line: string) => void,
): Promise<string[]> {
  await ensureHistory(client, domain.name)
  const pending = await pendingMigrations(client, domain)
  if (pending.length > 0 && !moving) await assertUnmoved(client, domain.name)
  for (const migration of pending) {
    await apply(client, domain.name, migration)
    log?.(`${domain.name}: applied ${migration.name}`)
  }
  return pending.map(({ name }) => `${domain.name}/${name}`)
}

/** What has moved is migrated where it is. */
async function assertHere(client: Client, domain: string): Promise<void> {
  const { state, moved_to } = await placementOf(client, domain)
  if (state === 'here') return
  throw new MigrationError(
    'MOVED',
    state === 'moved'
      ? `${domain} is no longer in ${client.database}: set ${domain.toUpperCase()}_ADMIN_DATABASE_URL to ${moved_to?.url}, with its administrator`
      : `${domain} is being moved to ${client.database} and is not there yet; finish that first`,
  )
}

/** A stream carries rows, not structure: it would stop at the first row of the new one. */
async function assertUnmoved(client: Client, domain: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM app.move WHERE domain = $1', [domain])
  if (rowCount)
    throw new MigrationError(
      'MOVING',
      `${domain} is being moved, or its way back is kept: finish the move and purge it (npm run move-data ${domain} --purge), then migrate`,
    )
}

async function apply(client: Client, domain: string, migration: Migration): Promise<void> {
  const { name, sql } = migration
  const index = concurrentIndex(sql)
  if (index) return makeIndex(client, domain, migration, index)
  await client.query('BEGIN')
  try {
    await runScript(client, domain, sql)
    await record(client, domain, migration)
    const { command } = await client.query('COMMIT')
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
  } catch (error) {
    await client.query('ROLLBACK')
    throw failure(domain, name, sql, error as DatabaseError)
  }
}

function record(client: Client, domain: string, { name, checksum }: Migration): Promise<unknown> {
  return client.query(
    `INSERT INTO ${quote(domain)}._prisma_migrations
       (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
     VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp(), 1)`,
    [randomUUID(), checksum, name],
  )
}

/**
 * Makes an index without locking its table, and so outside of a transaction. Waits as long as transactions last that are open now. What a try leaves that failed or was killed is an index that
 * PostgreSQL calls invalid: the next one begins by dropping it.
 */
async function makeIndex(client: Client, domain: string, migration: Migration, index: string): Promise<void> {
  const { rows: settings } = await client.query(`SELECT current_setting('lock_timeout') AS wait`)
  const dropInvalid = async () => {
    const { rows } = await client.query<{ valid: boolean }>(
      'SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)',
      [`${quote(domain)}.${quote(index)}`],
    )
    if (rows[0]?.valid === false) await client.query(`DROP INDEX CONCURRENTLY ${quote(domain)}.${quote(index)}`)
    return rows[0]?.valid === true
  }
  try {
    await client.query(`SET search_path = ${quote(domain)}, app`)
    await client.query('SET lock_timeout = 0')
    const made = await dropInvalid() // and not recorded: a try was killed in between
    if (!made) await client.query(migration.sql)
    await record(client, domain, migration)
  } catch (error) {
    await dropInvalid()
    throw failure(domain, migration.name, migration.sql, error as DatabaseError)
  } finally {
    await client.query(`RESET search_path; SET lock_timeout = '${settings[0].wait}'`)
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
