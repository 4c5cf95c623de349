/** The administrator's connection to a database, and the lock that lets one process at a time change its structure. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { MigrationError } from './errors.ts'

/** How long to wait for another process that provisions or migrates the same database. */
const WAIT_MS = 60_000

/** How long a migration may wait for a table that is in use: while it waits, it blocks every later query on that table. */
const TABLE_WAIT_MS = 5_000

/** "OFFS" as a number: the advisory lock under which the structure of a database changes. */
const LOCK = 0x4f464653

/** Opens the administrator's connection; the caller ends it. */
export async function connect(adminUrl: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: adminUrl,
    application_name: 'offshoot-migrate',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  })
  client.on('error', () => {}) // A connection that breaks between two statements: the next statement reports it.
  try {
    await client.connect()
  } catch (error) {
    const { host, pathname } = new URL(adminUrl)
    throw new MigrationError(
      'NOT_PERMITTED',
      `Cannot connect to ${host}${pathname} as administrator: ${reason(error)}`,
      {
        cause: error,
      },
    )
  }
  return client
}

/** Runs `work` as the administrator of a database, while no other process changes its structure. */
export async function asAdministrator<T>(adminUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(adminUrl)
  try {
    return await withLock(client, () => work(client))
  } catch (error) {
    if ((error as pg.DatabaseError).code !== INSUFFICIENT_PRIVILEGE) throw error
    throw new MigrationError(
      'NOT_PERMITTED',
      `${client.user} may not administer ${client.database}: ${reason(error)}; it must own the database and have CREATEROLE, or be a superuser`,
      { cause: error },
    )
  } finally {
    await client.end()
  }
}

const INSUFFICIENT_PRIVILEGE = '42501'

/** Runs `work` while no other process changes the structure of this database. */
async function withLock<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  // Asks again and again: a statement that waits has a snapshot, for whose end CREATE INDEX CONCURRENTLY would wait.
  for (const end = Date.now() + WAIT_MS; ; await sleep(50)) {
    const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS mine', [LOCK])
    if (rows[0].mine) break
    if (Date.now() > end)
      throw new MigrationError(
        'LOCKED',
        `Another process has been migrating ${client.database} for ${WAIT_MS / 1000} s; try again`,
      )
  }
  try {
    await client.query(`SET lock_timeout = ${TABLE_WAIT_MS}`)
    return await work()
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK]).catch(() => {})
  }
}

/** An SQL identifier. */
export function quote(identifier: string): string {
  return pg.escapeIdentifier(identifier)
}

/** One line of an error; a refused connection to several addresses has its reasons one level down. */
export function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
