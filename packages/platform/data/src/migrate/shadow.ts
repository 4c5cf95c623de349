/**
 * A shadow: what a domain's migrations make, to compare with or to build on.
 *
 * It is made in the domain's own database, under the domain's own name, in a transaction that never commits: the real schema
 * is renamed out of the way, which nobody else sees, and the migrations run into an empty one. So it needs no right to
 * create databases, nothing is left behind whatever ends the process, and both structures are printed alike. An extension
 * must live outside of the domain's schema (`CREATE EXTENSION IF NOT EXISTS … SCHEMA public`), where both find it.
 */
import { randomUUID } from 'node:crypto'
import type { Client, DatabaseError } from 'pg'
import { quote } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError } from './errors.ts'
import { failure } from './migrate.ts'
import type { Migration } from './migrations.ts'
import { ensureRoles, installSchemas, knownRoles } from './provision.ts'
import { type DomainRoles, domainRoles } from './roles.ts'
import { runScript, withoutConcurrency } from './script.ts'

/**
 * Runs `work` where `domain`'s schema holds what `migrations` make, and undoes all of it, whatever `work` did. The client
 * holds the migration lock.
 */
export async function inShadow<T>(
  client: Client,
  domain: DomainSchema,
  migrations: readonly Migration[],
  work: () => Promise<T>,
): Promise<T> {
  await client.query('BEGIN')
  try {
    const roles = await rolesIn(client, domain.name)
    await client.query('SET LOCAL client_min_messages = warning')
    const { rows } = await client.query('SELECT to_regnamespace($1) IS NOT NULL AS exists', [quote(domain.name)])
    if (rows[0].exists) {
      const aside = quote(`${domain.name}__aside`)
      await client.query(`ALTER SCHEMA ${quote(domain.name)} RENAME TO ${aside}`)
      await client.query(`REVOKE ALL ON SCHEMA ${aside} FROM ${Object.values(roles).map(quote).join(', ')}`)
    }
    await installSchemas(client, [domain], () => roles)
    for (const { name, sql } of migrations) {
      try {
        await runScript(client, domain.name, withoutConcurrency(sql))
      } catch (error) {
        if ((error as DatabaseError).code === UNSAFE_NEW_ENUM_VALUE) throw tooOld(domain.name, error)
        throw failure(domain.name, name, sql, error as DatabaseError)
      }
    }
    return await work()
  } finally {
    await client.query('ROLLBACK')
  }
}

const UNSAFE_NEW_ENUM_VALUE = '55P04'

function tooOld(domain: string, cause: unknown): MigrationError {
  return new MigrationError(
    'NOT_PERMITTED',
    `${domain}: its migrations add a value to an enum and use it later, which can't be retraced in one transaction before ` +
      'PostgreSQL 17; use a later version, or text with a CHECK',
    { cause },
  )
}

/** The roles of the domain; made for the transaction when the database has none yet. */
async function rolesIn(client: Client, domain: string): Promise<DomainRoles> {
  const known = await knownRoles(client, domain)
  if (known) return known
  const roles = domainRoles(client.database!, domain)
  await ensureRoles(client, roles, randomUUID())
  return roles
}
