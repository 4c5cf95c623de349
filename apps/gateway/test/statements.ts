import { tenantId } from '@offshoot/testing'
import { expect } from 'vitest'
import type { TestGateway } from './gateway.ts'

/** What a query of acme's owner asks the database, and how many things it answers with. Every statement on a tenant's table names the tenant. */
export async function statementsOf(
  gateway: TestGateway,
  query: string,
  variables: Record<string, unknown>,
  size: (data: any) => number,
) {
  const named = await gateway.database.admin<{ name: string }>(
    `SELECT DISTINCT '"' || table_schema || '"."' || table_name || '"' AS name
     FROM information_schema.columns WHERE column_name = 'tenant_id'`,
  )
  const ask = await gateway.as('owner@acme.test')
  gateway.statements.length = 0
  const { data, errors } = await ask(query, variables)
  expect(errors).toBeUndefined()
  const statements = gateway.statements.slice()
  for (const { sql, tenant } of statements) {
    expect(tenant).toBe(tenantId('acme'))
    if (named.some(({ name }) => sql.includes(name))) expect(sql).toMatch(/WHERE .*"?tenant_id"? = \$\d/)
  }
  return { size: size(data), tables: tablesOf(statements.map(({ sql }) => sql)) }
}

/** The tables that statements read from, in the order of their names. */
const tablesOf = (statements: readonly string[]) =>
  statements.map((sql) => /FROM "?(\w+)"?\."?(\w+)"?/.exec(sql)?.slice(1, 3).join('.') ?? sql).sort()
