/**
 * Applies migrations. A migration and its record in `_prisma_migrations` commit in one transaction, so a migration is
 * applied as a whole or not at all, whatever ends the process; a failed one is retried once its file is right.
 */
import { randomUUID } from 'node:crypto'
import type { Client, DatabaseError } from 'pg'
import { connect, quote, reason, withLock } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError } from './errors.ts'
import { ensureHistory, type Migration, pendingMigrations } from './migrations.ts'
import { provisionLocked } from './provision.ts'

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
export async function migrate({
  adminUrl,
  domains,
  appSecret,
  adminUrls = {},
  log,
}: MigrateOptions): Promise<string[]> {
  const applied: string[] = []
  for (const [url, residents] of Map.groupBy(domains, ({ name }) => adminUrls[name] ?? adminUrl)) {
    const client = await connect(url)
    try {
      await withLock(client, async () => {
        await provisionLocked(client, residents, appSecret)
        for (const domain of residents) applied.push(...(await applyPending(client, domain, log)))
      })
    } finally {
      await client.end()
    }
  }
  return applied
}

/** Applies what is pending for one domain, on a connection that holds the migration lock. */
export async function applyPending(
  client: Client,
  domain: DomainSchema,
  log?: (line: string) => void,
): Promise<string[]> {
  await ensureHistory(client, domain.name)
  const pending = await pendingMigrations(client, domain)
  for (const migration of pending) {
    await apply(client, domain.name, migration)
    log?.(`${domain.name}: applied ${migration.name}`)
  }
  return pending.map(({ name }) => `${domain.name}/${name}`)
}

async function apply(client: Client, domain: string, { name, sql, checksum }: Migration): Promise<void> {
  try {
    // Row security off: it turns an UPDATE of rows that a policy would hide from the administrator into an error. The body
    // of a new function would meet the same error, so only an administrator whom no policy binds has bodies checked.
    await client.query(`BEGIN; SET LOCAL search_path = ${quote(domain)}, app; SET LOCAL row_security = off;
      SELECT set_config('check_function_bodies', (rolsuper OR rolbypassrls)::text, true) FROM pg_roles WHERE rolname = current_user`)
    const { rows } = await client.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id')
    // One simple query: PostgreSQL itself finds the ends of the statements, function bodies included.
    await client.query(sql)
    const record = await client.query(
      `INSERT INTO ${quote(domain)}._prisma_migrations
         (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       SELECT $1, $2, $3, clock_timestamp(), clock_timestamp(), 1 WHERE pg_current_xact_id()::text = $4`,
      [randomUUID(), checksum, name, rows[0]!.id],
    )
    if (record.rowCount !== 1) throw new Error('it ends the transaction it runs in; take its COMMIT or ROLLBACK out')
    const { command } = await client.query('COMMIT')
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
  } catch (error) {
    await client.query('ROLLBACK')
    throw failure(domain, name, sql, error as DatabaseError)
  }
}

function failure(domain: string, name: string, sql: string, error: DatabaseError): MigrationError {
  if (error.code === '55P03') {
    return new MigrationError(
      'LOCKED',
      `${domain}: migration ${name} waited too long for a table that is in use; nothing was applied, try again`,
      { cause: error },
    )
  }
  const line = error.position ? ` at line ${sql.slice(0, Number(error.position)).split('\n').length}` : ''
  const detail = error.detail ? ` (${error.detail})` : ''
  return new MigrationError(
    'MIGRATION_FAILED',
    `${domain}: migration ${name} failed${line}: ${reason(error)}${detail}; nothing of it was applied, correct migration.sql and migrate again`,
    { cause: error },
  )
}
