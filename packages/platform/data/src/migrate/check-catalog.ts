/** The catalog check: reads from the running database itself whether anything in it breaks the isolation of tenants or domains. */
import type { Client } from 'pg'
import { PRELUDE, RIGHTS_RULES, TABLE_RULES } from './catalog-rules.ts'
import { connect } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { knownRoles } from './provision.ts'
import type { DomainRoles } from './roles.ts'

/** Something in a database that breaks the isolation of tenants or of domains. */
export interface Violation {
  readonly domain: string
  /** The table, function, schema or role, as SQL writes it. */
  readonly object: string
  /** Stable, in kebab-case: `row-security-not-forced`. */
  readonly rule: string
  /** What is wrong and how to put it right. */
  readonly message: string
}

/**
 * Reads the catalog of the running database; empty when everything is as it must be. All `domains` live in the database of
 * `adminUrl`: check those that live elsewhere there.
 */
export async function checkCatalog(adminUrl: string, domains: readonly DomainSchema[]): Promise<Violation[]> {
  const client = await connect(adminUrl)
  try {
    await client.query('BEGIN READ ONLY')
    const violations: Violation[] = []
    for (const domain of domains) violations.push(...(await violationsOf(client, domain)))
    return violations
  } finally {
    await client.end()
  }
}

/** The violations of one domain, as the client's current transaction sees them. */
export async function violationsOf(client: Client, domain: DomainSchema): Promise<Violation[]> {
  const roles = await knownRoles(client, domain.name)
  if (!roles) {
    const message = `Schema ${domain.name} is no domain of this database; migrate it first`
    return [{ domain: domain.name, object: domain.name, rule: 'not-provisioned', message }]
  }
  await client.query("SELECT set_config('search_path', '', true)")
  const { rows } = await client.query<{ rule: number; object: string; detail: string | null }>(
    QUERY,
    parameters(domain, roles),
  )
  return rows.map(({ rule: index, object, detail }) => {
    const { rule, message } = RULES[index]!
    return { domain: domain.name, object, rule, message: message(object, detail ?? '') }
  })
}

const RULES = [...TABLE_RULES, ...RIGHTS_RULES]

/** All rules in one round trip: what they draw from is computed once. */
const QUERY = `${PRELUDE} ${RULES.map(
  ({ sql }, index) =>
    `SELECT ${index} AS rule, object::text COLLATE "C", to_jsonb(found) ->> 'detail' COLLATE "C" AS detail FROM (${sql}) AS found`,
).join('\nUNION ALL ')} ORDER BY rule, object, detail`

function parameters(domain: DomainSchema, { serving, system, definer }: DomainRoles): unknown[] {
  const { name, globalTables, definerFunctions = {} } = domain
  return [name, Object.keys(globalTables), Object.keys(definerFunctions), serving, system, definer]
}
