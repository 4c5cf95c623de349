import pg from 'pg'
import { asAdministrator, quote } from './connection.ts'
import { MigrationError } from './errors.ts'
import { jobsSchema } from './jobs.ts'
import { byDatabase, type MigrateOptions, migrateLocked } from './migrate.ts'
import { placementTable } from './placement.ts'
import { provisionTransport } from './provision.ts'
import { transport } from './roles.ts'

/** What {@link reset} needs. */
export interface ResetOptions extends MigrateOptions {
  /** Resets also in production and on servers elsewhere. */
  readonly force?: boolean
}

/**
 * Drops everything that `domains` have stored, and what is on its way between them, then migrates anew; returns what was applied. Refuses before it touches
 * anything unless every database is on this machine and `NODE_ENV` isn't `production`, or it is forced.
 */
export async function reset(options: ResetOptions): Promise<string[]> {
  const databases = byDatabase(options)
  const meeting = options.adminUrls?.[transport] ?? options.adminUrl
  if (!options.force) for (const url of [...databases.keys(), meeting]) assertExpendable(url)
  const applied: string[] = []
  for (const [url, residents] of databases) {
    const names = residents.map(({ name }) => name)
    const again = await asAdministrator(url, async (client) => {
      await dropSchemas(client, names)
      return migrateLocked(client, residents, options)
    })
    applied.push(...again)
  }
  await asAdministrator(meeting, async (client) => {
    await dropSchemas(client, [transport, jobsSchema])
    await provisionTransport(client, options.appSecret)
  })
  return applied
}

/** Refuses a database in production or on another machine. */
export function assertExpendable(url: string): void {
  const { host, database } = new pg.Client(url)
  const local = host.startsWith('/') || /^(localhost|.+\.localhost|127(\.\d+){3}|\[?::1\]?)$/.test(host)
  const where =
    process.env.NODE_ENV === 'production' ? 'NODE_ENV is production' : local ? undefined : `${host} is not this machine`
  if (where) {
    throw new MigrationError(
      'RESET_REFUSED',
      `This would delete data of ${database}, and ${where}; if that is meant, force it`,
    )
  }
}

/** Drops the schemas of domains, and what is noted about them. */
export async function dropSchemas(client: pg.Client, names: readonly string[]): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query('SET LOCAL client_min_messages = warning')
    for (const name of names)
      await client.query(`DROP SCHEMA IF EXISTS ${quote(name)} CASCADE; DROP TABLE IF EXISTS ${placementTable(name)}`)
    const { rows } = await client.query("SELECT to_regclass('app.domain') IS NOT NULL AS provisioned")
    if (rows[0].provisioned) await client.query('DELETE FROM app.domain WHERE name = ANY ($1)', [names])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    if ((error as pg.DatabaseError).code !== '55P03') throw error
    throw new MigrationError('LOCKED', `${client.database} is in use; stop what uses it and reset again`, {
      cause: error,
    })
  }
}
