/** What databases have of domains that the product has no longer: removing a domain from the code deletes nothing that it has stored. */
import type { Client } from 'pg'
import { asAdministrator, quote } from './connection.ts'
import { MigrationError } from './errors.ts'
import { byDatabase } from './migrate.ts'
import { knownRoles } from './provision.ts'
import { assertExpendable, dropSchemas, type ResetOptions } from './reset.ts'
import { transport } from './roles.ts'

type Options = Pick<ResetOptions, 'adminUrl' | 'adminUrls' | 'domains'>

/** The names of domains that are stored and not among `domains`, in the databases in which these live. */
export async function orphans(options: Options): Promise<string[]> {
  const found = new Set<string>()
  for (const url of databasesOf(options))
    await asAdministrator(url, async (client) => {
      for (const name of await namesIn(client, options)) found.add(name)
    })
  return [...found].sort()
}

/**
 * Deletes the schema and the roles of such a domain, with all that it has stored. Refuses before it touches anything where that would not be of this machine, as
 * `reset` does, unless it is forced.
 */
export async function dropOrphan(name: string, options: Options & Pick<ResetOptions, 'force'>): Promise<void> {
  const known = await orphans(options)
  if (!known.includes(name))
    throw new MigrationError(
      'NOT_ORPHANED',
      `${name} is no domain that was removed and has left something here${known.length > 0 ? `: that is ${known.join(', ')}` : ''}`,
    )
  const urls = databasesOf(options)
  if (!options.force) for (const url of urls) assertExpendable(url)
  for (const url of urls)
    await asAdministrator(url, async (client) => {
      const roles = await knownRoles(client, name)
      if (!roles) return
      await dropSchemas(client, [name])
      for (const role of Object.values(roles)) await dropRole(client, role)
    })
}

const databasesOf = (options: Options) =>
  new Set([...byDatabase(options).keys(), options.adminUrls?.[transport] ?? options.adminUrl])

async function namesIn(client: Client, { domains }: Options): Promise<string[]> {
  const { rows } = await client.query("SELECT to_regclass('app.domain') IS NOT NULL AS provisioned")
  if (!rows[0].provisioned) return []
  const known = await client.query<{ name: string }>('SELECT name FROM app.domain WHERE name <> ALL ($1)', [
    domains.map(({ name }) => name),
  ])
  return known.rows.map(({ name }) => name)
}

/** A role belongs to the server: one that has rights in another database stays. */
async function dropRole(client: Client, role: string): Promise<void> {
  const { rows } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role])
  if (rows.length === 0) return
  await client.query(`GRANT ${quote(role)} TO CURRENT_USER; DROP OWNED BY ${quote(role)}`)
  await client.query(`DROP ROLE ${quote(role)}`).catch((error) => {
    if ((error as { code?: string }).code !== '2BP01') throw error // dependent_objects_still_exist
  })
}
