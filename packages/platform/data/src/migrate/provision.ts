/**
 * Provisioning: schema `app`, and for each domain a schema, a serving role and a system role. Idempotent, and safe when
 * several processes start at once. Works for a superuser and for an administrator who owns the database and has CREATEROLE.
 */
import type { Client } from 'pg'
import { APP_SCHEMA } from './app-schema.ts'
import { asAdministrator, quote } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError } from './errors.ts'
import { installEventTables, installTransport } from './event-tables.ts'
import { installJobs } from './jobs.ts'
import { installPlacement } from './placement.ts'
import { type DomainRoles, domainRoles, scramVerifier, transportRole } from './roles.ts'

/** Brings roles, schemas and rights of `domains` in the database of `adminUrl` up to date. */
export async function provision(adminUrl: string, domains: readonly DomainSchema[], appSecret: string): Promise<void> {
  await asAdministrator(adminUrl, (client) => provisionLocked(client, domains, appSecret))
}

/** The same on a connection that already holds the migration lock. */
export async function provisionLocked(client: Client, domains: readonly DomainSchema[], appSecret: string) {
  const database = client.database!
  await transaction(client, async () => {
    for (const { name } of domains) await ensureRoles(client, domainRoles(database, name), appSecret)
    await installSchemas(client, domains, (name) => domainRoles(database, name))
    await client.query(`REVOKE CONNECT, TEMPORARY ON DATABASE ${quote(database)} FROM PUBLIC`)
  })
}

/** The schema and the role of the transport of events, and what the clock starts, in the database in which domains meet; on a connection that holds the migration lock. */
export async function provisionTransport(client: Client, appSecret: string): Promise<void> {
  const role = transportRole(client.database!)
  await transaction(client, async () => {
    await ensureLogin(client, role, appSecret)
    await client.query('SET LOCAL client_min_messages = warning')
    await installTransport(client, role)
    await allowBecoming(client, role)
  })
  await installJobs(client, role)
}

/** Schema `app` and the domains' schemas, served by roles that exist. Separate because a shadow database has no roles of its own. */
export async function installSchemas(
  client: Client,
  domains: readonly DomainSchema[],
  rolesOf: (domain: string) => DomainRoles,
): Promise<void> {
  await client.query(`SET LOCAL client_min_messages = warning; ${APP_SCHEMA}`)
  for (const { name } of domains) {
    const { serving, system, definer } = rolesOf(name)
    const logins = `${quote(serving)}, ${quote(system)}`
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${quote(name)}`)
    await client.query(
      `INSERT INTO app.domain (name, serving_role, system_role, definer_role) VALUES ($1, $2, $3, $4)
       ON CONFLICT (name) DO UPDATE SET serving_role = $2, system_role = $3, definer_role = $4`,
      [name, serving, system, definer],
    )
    await client.query(`
      GRANT CONNECT ON DATABASE ${quote(client.database!)} TO ${logins};
      GRANT USAGE ON SCHEMA app, ${quote(name)} TO ${logins}, ${quote(definer)};
      GRANT EXECUTE ON FUNCTION app.tid(), app.enter(uuid) TO ${logins}`)
    await installPlacement(client, name, { serving, system })
    await installEventTables(client, name, { serving, system })
  }
}

/** The roles that the database has for a domain, if it has been provisioned. Those of a copied database are its original's. */
export async function knownRoles(client: Client, domain: string): Promise<DomainRoles | undefined> {
  const { rows } = await client.query("SELECT to_regclass('app.domain') IS NOT NULL AS provisioned")
  if (!rows[0].provisioned) return undefined
  const known = await client.query<DomainRoles>(
    'SELECT serving_role AS serving, system_role AS system, definer_role AS definer FROM app.domain WHERE name = $1',
    [domain],
  )
  return known.rows[0]
}

const LOGIN = 'NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT'

/** Creates the roles of a domain, or sets their passwords anew. */
export async function ensureRoles(client: Client, roles: DomainRoles, appSecret: string): Promise<void> {
  await ensureLogin(client, roles.serving, appSecret)
  await ensureLogin(client, roles.system, appSecret)
  await ensureRole(client, roles.definer, 'NOLOGIN')
  await allowBecoming(client, roles.definer)
}

/** To hand something over to a role one must be allowed to become it; a superuser always is. */
async function allowBecoming(client: Client, role: string): Promise<void> {
  const { rows } = await client.query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user')
  if (!rows[0].rolsuper) await client.query(`GRANT ${quote(role)} TO CURRENT_USER`)
}

async function ensureLogin(client: Client, role: string, appSecret: string): Promise<void> {
  await ensureRole(client, role, 'LOGIN')
  await client.query(`
    ALTER ROLE ${quote(role)} LOGIN PASSWORD '${scramVerifier(appSecret, role)}';
    ALTER ROLE ${quote(role)} SET search_path = ''`)
}

async function ensureRole(client: Client, role: string, login: 'LOGIN' | 'NOLOGIN'): Promise<void> {
  const found = await client.query<{ dangerous: boolean }>(
    `SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication AS dangerous
     FROM pg_roles WHERE rolname = $1`,
    [role],
  )
  if (found.rows[0]?.dangerous) {
    throw new MigrationError(
      'NOT_PERMITTED',
      `Role ${role} has more rights than a domain may have; take them away: ALTER ROLE ${quote(role)} ${LOGIN} NOREPLICATION`,
    )
  }
  if (found.rows.length === 0) await client.query(`CREATE ROLE ${quote(role)} ${LOGIN} ${login}`)
}

async function transaction(client: Client, work: () => Promise<void>): Promise<void> {
  await client.query('BEGIN')
  try {
    await work()
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}
