import pg from 'pg'
import { explainFailure } from './failures.ts'

interface Powers {
  role: string
  /** What row security would not hold the role back from; empty for a serving role. */
  evasions: string[]
}

// Membership counts as well: SET ROLE is one statement away, and a policy for a role holds for its members.
const powers = `
  with self as (select * from pg_roles where rolname = current_user),
  reachable as (select r.* from pg_roles r, self where r.oid = self.oid or not self.rolsuper and pg_has_role(self.oid, r.oid, 'MEMBER')),
  tables as (select * from pg_class where relkind in ('r', 'p', 'v', 'm') and relnamespace = to_regnamespace($1))
  select current_user::text as role, array(
    select case when rolname = current_user then 'it' else format('it is a member of %I, which', rolname) end || ' ' || power
      from reachable, lateral (values
        (rolsuper, 'is a superuser'),
        (rolbypassrls, 'has BYPASSRLS'),
        (rolcreaterole, 'may make itself a member of other roles (CREATEROLE)')) as powers (has, power)
      where has
    union all
    select format('it owns %I.%I', relnamespace::regnamespace, relname) from tables where relowner in (select oid from reachable)
    union all
    select format('the policy %I of %I.%I lets it see every tenant', polname, relnamespace::regnamespace, relname)
      from pg_policy join tables on tables.oid = polrelid
      where polname <> all ($2) and (polroles = '{0}' or polroles && array(select oid from reachable))
    limit 3) as evasions`

/**
 * Refuses to serve as a role that row security does not bind: a superuser, a role with BYPASSRLS, an owner of the domain's tables (who
 * could switch row security off), the domain's system role, or a member of such a role. A tenant's isolation must not depend on which URL somebody configured.
 */
export function assertServingRole(url: string, schema: string): Promise<void> {
  return assertBound(url, schema, ['tenant'], (role, evasions) => [
    `The domain '${schema}' must not be served as the database role '${role}', which row security does not bind: ${evasions}.`,
    `Use the serving role that the migration creates, or leave ${schema.toUpperCase()}_DATABASE_URL out to have it derived.`,
  ])
}

/** The same for the domain's system role, whose policy lets it see every tenant, and which row security binds for the rest. */
export function assertSystemRole(url: string, schema: string): Promise<void> {
  return assertBound(url, schema, ['tenant', 'system'], (role, evasions) => [
    `Work of the domain '${schema}' across tenants must not be done as the database role '${role}', which row security does not bind: ${evasions}.`,
    'Use the system role that the migration creates.',
  ])
}

async function assertBound(
  url: string,
  schema: string,
  policies: string[],
  explain: (role: string, evasions: string) => string[],
): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, statement_timeout: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<Powers>(powers, [quoteIdentifier(schema), policies])
    const { role, evasions } = rows[0]!
    if (evasions.length > 0) throw new Error(explain(role, evasions.join('; ')).join(' '))
  } catch (error) {
    throw explainFailure(error)
  } finally {
    await client.end().catch(() => {})
  }
}

const quoteIdentifier = (name: string) => `"${name.replaceAll('"', '""')}"`
