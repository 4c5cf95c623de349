import { demoId } from '@offshoot/host'
import { tenantId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from './gateway.ts'

let gateway: TestGateway
/** As statements name them: `"orders"."order"`. */
let tenantTables: string[]
beforeAll(async () => {
  gateway = await testGateway()
  const tables = await gateway.database.admin<{ name: string }>(
    `SELECT DISTINCT '"' || table_schema || '"."' || table_name || '"' AS name
     FROM information_schema.columns WHERE column_name = 'tenant_id'`,
  )
  tenantTables = tables.map(({ name }) => name)
  expect(tenantTables).toContain('"orders"."order_line"')
})
afterAll(() => gateway.close())

/** What a query asks the database, and how many things it answers with. */
async function count(query: string, variables: Record<string, unknown>, size: (data: any) => number) {
  const ask = await gateway.as('owner@acme.test')
  gateway.statements.length = 0
  const { data, errors } = await ask(query, variables)
  expect(errors).toBeUndefined()
  const statements = gateway.statements.slice()
  for (const { sql, tenant } of statements) {
    expect(tenant).toBe(tenantId('acme'))
    const named = tenantTables.filter((table) => sql.includes(table))
    if (named.length > 0) expect(sql).toMatch(/WHERE .*"?tenant_id"? = \$\d/)
  }
  return { size: size(data), statements: statements.map(({ sql }) => sql) }
}

const tables = (statements: string[]) =>
  statements.map((sql) => /FROM "?(\w+)"?\."?(\w+)"?/.exec(sql)?.slice(1, 3).join('.') ?? sql).sort()

describe('the statements of a query', () => {
  it('are as many for 5 products as for 50', async () => {
    const query =
      'query ($first: Int) { products(first: $first) { nodes { id sku price { amount } } pageInfo { endCursor } } }'
    for (const first of [5, 50]) {
      const { size, statements } = await count(query, { first }, ({ products }) => products.nodes.length)
      expect({ size, tables: tables(statements) }).toEqual({ size: first, tables: ['catalog.product'] })
    }
  })

  it('are as many for 5 orders as for 50, with lines, products, people and payments', async () => {
    const query = `query ($first: Int) { orders(first: $first) {
      nodes { id total { amount } placedBy { name email } payment { status amount { amount } } lines { sku quantity product { name price { amount } } } }
    } }`
    for (const first of [5, 50]) {
      const { size, statements } = await count(query, { first }, ({ orders }) => orders.nodes.length)
      expect({ size, tables: tables(statements) }).toEqual({
        size: first,
        tables: [
          'billing.payment',
          'catalog.product',
          'identity.member',
          'identity.user',
          'orders.order',
          'orders.order_line',
        ],
      })
    }
  })

  it('are as many for many members, invitations, keys and audit entries as for few', async () => {
    const query = `{ organization {
      slug
      members { role user { name } }
      invitations { email invitedBy { name } }
      apiKeys { name createdBy { name } }
      auditLog(first: 100) { nodes { action actorId } }
    } }`
    const size = ({ organization: { members, invitations, apiKeys, auditLog } }: any) =>
      members.length + invitations.length + apiKeys.length + auditLog.nodes.length
    await grow(1)
    const few = await count(query, {}, size)
    await grow(20)
    const many = await count(query, {}, size)
    expect(many.size).toBeGreaterThan(few.size + 60)
    for (const { statements } of [few, many]) {
      const asked = tables(statements)
      // People are looked up once for each tick in which a list arrives: for members, invitations and keys at most.
      const people = asked.filter((table) => table === 'identity.user').length
      expect(people).toBeGreaterThanOrEqual(1)
      expect(people).toBeLessThanOrEqual(3)
      expect(asked.filter((table) => table !== 'identity.user')).toEqual([
        'identity.api_key',
        'identity.audit_log',
        'identity.invitation',
        ...Array(1 + people).fill('identity.member'),
        'identity.organization',
        'identity.tenant_slug',
      ])
    }
  })

  it('are one for many fields that ask for the same kind of thing', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => {
      const sku = `SKU-${String(i + 1).padStart(4, '0')}`
      return demoId('product', `acme:${sku}`, Date.UTC(2026, 0, 5, 8) + i * 3_600_000)
    })
    const query = `{ ${ids.map((id, i) => `p${i}: product(id: "${id}") { sku }`).join(' ')} }`
    const { size, statements } = await count(query, {}, (data) => Object.values(data).filter(Boolean).length)
    expect({ size, tables: tables(statements) }).toEqual({ size: 20, tables: ['catalog.product'] })
  })
})

let round = 0
/** Adds so many members, invitations, keys and audit entries. */
async function grow(by: number): Promise<void> {
  round++
  for (const sql of [
    `INSERT INTO identity."user" (id, name, email, updated_at) SELECT gen_random_uuid(), 'U', 'grown-' || $2 || '-' || i || '@acme.test', now() FROM generate_series(1, $3::int) i, (SELECT $1) x`,
    `INSERT INTO identity.member (tenant_id, id, user_id, role) SELECT $1, gen_random_uuid(), id, 'member' FROM identity."user" WHERE email LIKE 'grown-' || $2 || '-%' AND $3::int > 0`,
    `INSERT INTO identity.invitation (tenant_id, id, email, role, invited_by, expires_at) SELECT $1, gen_random_uuid(), 'x' || i || '-' || $2, 'member', (SELECT user_id FROM identity.member WHERE tenant_id = $1 LIMIT 1), now() + interval '1 d' FROM generate_series(1, $3::int) i`,
    `INSERT INTO identity.api_key (tenant_id, id, name, prefix, hash, scopes, created_by) SELECT $1, gen_random_uuid(), 'k', 'ofs_', sha256(convert_to($2 || '-' || i, 'UTF8')), '{product:read}', (SELECT user_id FROM identity.member WHERE tenant_id = $1 LIMIT 1) FROM generate_series(1, $3::int) i`,
    `INSERT INTO identity.audit_log (tenant_id, id, actor_kind, actor_id, action, target_type, target_id) SELECT $1, gen_random_uuid(), 'user', gen_random_uuid(), 'member.joined', 'member', gen_random_uuid() FROM generate_series(1, $3::int) i, (SELECT $2) x`,
  ])
    await gateway.database.admin(sql, [tenantId('acme'), String(round), by])
}
