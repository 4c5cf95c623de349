import pg from 'pg'
import { databaseUnavailable } from './failures.ts'

interface Powers {
  role: string
  superuser: boolean
  bypassrls: boolean
  owns: string[]
}

const powers = `
  select current_user::text as role, rolsuper as superuser, rolbypassrls as bypassrls,
    array(select format('%I.%I', relnamespace::regnamespace, relname) from pg_class c
      where relkind in ('r', 'p') and relnamespace = to_regnamespace($1) and pg_has_role(current_user, relowner, 'MEMBER') limit 5) as owns
  from pg_roles where rolname = current_user`

/**
 * Refuses to serve as a role that row security does not bind: a superuser, a role with BYPASSRLS, or an owner of the domain's tables
 * (who could switch row security off). A tenant's isolation must not depend on which URL somebody configured.
 */
export async function assertServingRole(url: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, statement_timeout: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<Powers>(powers, [quoteIdentifier(schema)])
    const { role, superuser, bypassrls, owns } = rows[0]!
    const too = superuser ? 'is a superuser' : bypassrls ? 'has BYPASSRLS' : owns.length > 0 ? `owns ${owns.join(', ')}` : undefined
    if (too) {
      throw new Error(
        `The domain '${schema}' must not be served as the database role '${role}': it ${too}, so that row security does not bind it. ` +
          `Use the serving role that the migration creates, or leave ${schema.toUpperCase()}_DATABASE_URL out to have it derived.`,
      )
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw databaseUnavailable(error)
    throw error
  } finally {
    await client.end().catch(() => {})
  }
}

const quoteIdentifier = (name: string) => `"${name.replaceAll('"', '""')}"`
