import { randomBytes } from 'node:crypto'
import { settled, tenantId } from '@offshoot/testing'
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLSchema,
  getNamedType,
  graphql,
  isEnumType,
  isObjectType,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../src/domains.ts'
import { publicSchema } from '../src/public-schema.ts'
import { type Answer, type TestGateway, testGateway } from './gateway.ts'
import { idOperations, type Operation, plainOperations, randomQuery } from './schema-walk.ts'

type Ask = (query: string, variables?: Record<string, unknown>) => Promise<unknown>

const acme = tenantId('acme')
const globex = tenantId('globex')
const schema = publicSchema()

let gateway: TestGateway
let foreign: Foreign
let before: string[]

beforeAll(async () => {
  gateway = await testGateway({ events: true })
  await plantCanaries()
  foreign = await foreignData()
  before = foreign.rows
})
afterAll(() => gateway.close())

describe.each(['owner@acme.test', 'member@acme.test'])('%s, with the ids of another tenant', (email) => {
  it('gets from every field and mutation what an id that never existed gets', async () => {
    const ask = await asking(email)
    const own = await ownIds()
    expect(await fuzzIds(schema, ask, foreign, own)).toEqual([])
  })

  it('finds nothing of the other tenant by any query', async () => {
    const ask = await asking(email)
    for (const { name, document, variables } of plainOperations(schema, 'query', 7))
      expect(foreign.leaksIn(await ask(document, variables)), name).toEqual([])
  })

  it('finds nothing by random queries either', async () => {
    const ask = await asking(email)
    const queries = randomQueries(email === 'owner@acme.test' ? 1 : 2, 40)
    const answers = await inTurns(queries, async (query) => ({ query, answer: (await ask(query)) as Answer }))
    expect(answers.filter(({ answer }) => foreign.leaksIn(answer).length > 0)).toEqual([])
    const failed = answers.filter(({ answer }) => answer.data === undefined)
    expect(failed.map(({ query, answer }) => [query, answer.errors])).toEqual([])
  })

  it('is told of the other tenant what is told of one that does not exist', async () => {
    const token = await gateway.signIn(email)
    const operations = (['query', 'mutation'] as const).flatMap((kind) => plainOperations(schema, kind, 2))
    // These need no tenant; what they do is said below.
    const tenantless = ['Query.me', 'Mutation.createOrganization']
    for (const { name, document, variables } of operations.filter(({ name }) => !tenantless.includes(name))) {
      const there = await gateway.ask(document, variables, { token, tenant: 'globex' })
      const nowhere = await gateway.ask(document, variables, { token, tenant: 'nowhere' })
      expect({ ...there, headers: 0 }, name).toEqual({ ...nowhere, headers: 0 })
      expect(there.errors, name).toMatchObject([{ extensions: { code: 'FORBIDDEN', reason: 'NOT_A_MEMBER' } }])
    }
  })
})

describe('the mutations that take no id', () => {
  it('answer with nothing of another tenant', async () => {
    const ask = await asking('owner@acme.test')
    const mutations = plainOperations(schema, 'mutation', 5)
    expect(mutations.length).toBeGreaterThan(0)
    for (const { name, document, variables } of mutations)
      expect(foreign.leaksIn(await ask(document, variables)), name).toEqual([])
  })

  it('do not tell what another tenant has', async () => {
    const ask = await gateway.as('owner@acme.test', 'acme')
    const invite = 'mutation ($email: String!) { inviteMember(input: { email: $email, role: MEMBER }) { email } }'
    for (const email of ['owner@globex.test', 'canary-b@canary-b.test'])
      expect(await ask(invite, { email })).toMatchObject({ data: { inviteMember: { email } }, errors: undefined })
    // #region with catalog
    const create = `mutation ($sku: String!) {
      createProduct(input: { sku: $sku, name: "n", stock: 1, price: { amount: "1", currency: "EUR" } }) { sku }
    }`
    expect(await ask(create, { sku: 'CANARY-B-SKU' })).toMatchObject({
      data: { createProduct: { sku: 'CANARY-B-SKU' } },
      errors: undefined,
    })
    // #endregion
  })
})

describe('the other tenant', () => {
  it('has every row as it was', async () => {
    expect(before.length).toBeGreaterThan(10)
    expect((await foreignData()).rows).toEqual(before)
  })
})

describe('the fuzz itself', () => {
  const leaky = buildSchema(`
    input Deep { things: [Thing!]! }
    input Thing { id: ID! }
    type Item { id: ID!, related(id: ID!): Item }
    type Query { safe(id: ID!): Item, item(id: ID!): Item, names: [String!]!, owner: Item }
    type Mutation { oracle(input: Deep!): Boolean, pair(first: ID!, second: ID!): String }
  `)

  it('notices a field that answers, one that only differs, a second argument, and a list', async () => {
    const exists = (id: string) => foreign.ids.includes(id)
    const item = ({ id }: { id: string }): unknown => (exists(id) ? { id, related: item } : null)
    const rootValue = {
      safe: () => null,
      item,
      names: () => ['fine', 'CANARY-B something'],
      owner: () => ({ id: 'own', related: item }),
      oracle({ input }: { input: { things: { id: string }[] } }) {
        if (exists(input.things[0]!.id)) throw new Error('not yours')
        return null
      },
      pair: ({ first, second }: { first: string; second: string }) =>
        first === 'own' && exists(second) ? 'yes' : null,
    }
    const ask: Ask = async (source, variableValues) => graphql({ schema: leaky, source, variableValues, rootValue })
    const caught = new Set((await fuzzIds(leaky, ask, foreign, ['own'])).map((finding) => finding.split('(')[0]))
    expect([...caught].sort()).toEqual(['Item.related', 'Mutation.oracle', 'Mutation.pair', 'Query.item'])
    const [names] = plainOperations(leaky, 'query', 3)
    expect(foreign.leaksIn(await ask(names!.document))).toEqual(['CANARY-B something'])
  })

  it('reaches every place of the public schema that takes an id', () => {
    const names = idOperations(schema, 1).map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['Mutation.changeMemberRole', 'Mutation.revokeApiKey']))
    const fields = Object.values(schema.getTypeMap())
      .filter(isObjectType)
      .flatMap((type) => Object.values(type.getFields()))
    const direct = fields.filter(({ args }) => args.some(({ type }) => getNamedType(type).name === 'ID'))
    expect(names.length).toBeGreaterThanOrEqual(direct.length)
  })
})

interface Foreign {
  /** Ids of all kinds of things that the tenant has, as the API calls them. */
  ids: string[]
  /** Everything stored about it, row by row. */
  rows: string[]
  /** What of it is in an answer. */
  leaksIn(answer: unknown): string[]
}

/** Every answer for a foreign id that leaks, or that differs from the answer for an id of the same form that never existed. */
async function fuzzIds(schema: GraphQLSchema, ask: Ask, { ids, leaksIn }: Foreign, own: string[]): Promise<string[]> {
  const run = async ({ document, variables }: Operation, id: string) =>
    JSON.stringify(await ask(document, variables)).replaceAll(id, '<id>')
  const nobody = new Map<string, Promise<string[]>>()
  const runs = idOperations(schema, 3).flatMap((operation) => ids.map((id) => ({ ...operation, id })))
  const findings = await inTurns(runs, async ({ name, id, fill }) => {
    const kind = `${name} ${isUuid(id)}`
    const missing = neverExisting(id)
    if (!nobody.has(kind)) nobody.set(kind, Promise.all(fill(missing, own).map((operation) => run(operation, missing))))
    const nobodys = await nobody.get(kind)!
    const found: string[] = []
    for (const [i, operation] of fill(id, own).entries()) {
      const theirs = await run(operation, id)
      if (theirs !== nobodys[i]) found.push(`${operation.name}: ${theirs} is not ${nobodys[i]}`)
      if (leaksIn(JSON.parse(theirs)).length > 0) found.push(`${operation.name}: ${theirs}`)
      // Otherwise the fuzz would only test the validation of inputs: teach schema-walk.ts a value that passes.
      if (isUuid(id) && /"INVALID_(INPUT|MONEY)"|"GRAPHQL_/.test(theirs))
        found.push(`${operation.name} got no further than its input: ${theirs}`)
    }
    return found
  })
  return findings.flat()
}

const isUuid = (id: string) => /^[\da-f]{8}-/.test(id)

function neverExisting(id: string): string {
  if (isUuid(id)) return id.slice(0, 24) + randomBytes(6).toString('hex')
  const bytes = Buffer.from(id, 'base64url') // an invitation: the tenant, which exists, and a row that doesn't
  return Buffer.concat([bytes.subarray(0, 26), randomBytes(6)]).toString('base64url')
}

async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>, atOnce = 8): Promise<R[]> {
  const results: R[] = []
  for (let i = 0; i < items.length; i += atOnce)
    results.push(...(await Promise.all(items.slice(i, i + atOnce).map(work))))
  return results
}

async function asking(email: string): Promise<Ask> {
  const ask = await gateway.as(email)
  return async (query, variables) => {
    const { status, data, errors } = await ask(query, variables)
    return { status, data, errors }
  }
}

/** Lists of things that a tenant has, in the public schema. */
const lists: string[] = [
  // #region with catalog
  'products',
  // #endregion
  // #region with orders
  'orders',
  // #endregion
]

const everyId = `{
  ${lists.map((list) => `${list}(first: 2) { nodes { id } pageInfo { endCursor } }`).join(' ')}
  organization {
    id
    members { id role user { id } }
    invitations { id invitedBy { id } }
    apiKeys { id }
    auditLog(first: 3) { nodes { id targetId } pageInfo { endCursor } }
  }
}`

async function ownIds(): Promise<string[]> {
  const { data } = await (await gateway.as('owner@acme.test'))(everyId)
  return [...lists.map((list) => data[list].nodes[0].id), data.organization.members[0].id]
}

/** Gives the other tenant one of everything, and writes into all that it has what nobody else could have. */
async function plantCanaries(): Promise<void> {
  const acme = await gateway.as('owner@acme.test')
  await acme('mutation { createApiKey(input: { name: "key", scopes: ["organization:read"] }) { secret } }')
  const ask = await gateway.as('owner@globex.test')
  const { errors } = await ask(`mutation {
    inviteMember(input: { email: "canary-b@canary-b.test", role: ADMIN }) { id }
    createApiKey(input: { name: "CANARY-B key", scopes: ["organization:read"] }) { apiKey { id } secret }
  }`)
  expect(errors).toBeUndefined()
  // #region with catalog
  const created = await ask(`mutation {
    createProduct(input: {
      sku: "CANARY-B-SKU", name: "CANARY-B product", description: "CANARY-B text", stock: 5, price: { amount: "9", currency: "USD" }
    }) { id }
  }`)
  expect(created.errors).toBeUndefined()
  // #endregion
  // #region with orders
  const order = `mutation ($id: ID!, $key: String!) {
    placeOrder(input: { idempotencyKey: $key, lines: [{ productId: $id, quantity: 1 }] }) { id }
  }`
  await ask(order, { id: created.data.createProduct.id, key: 'CANARY-B key' })
  const own = (await acme('{ products(search: "hammer", first: 20) { nodes { id stock } } }')).data.products.nodes
  await acme(order, { id: own.find(({ stock }: { stock: number }) => stock > 0).id, key: 'key' })
  // #endregion
  await settled(gateway)
  for (const sql of [
    // #region with catalog
    `UPDATE catalog.product SET name = 'CANARY-B ' || name, sku = 'CANARY-B-' || id, search = 'canary-b ' || search WHERE tenant_id = $1`,
    // #endregion
    // #region with orders
    `UPDATE orders.order_line SET name = 'CANARY-B ' || name, sku = 'CANARY-B-' || product_id WHERE tenant_id = $1`,
    // #endregion
    `UPDATE identity.organization SET name = 'CANARY-B Globex' WHERE tenant_id = $1`,
  ])
    await gateway.database.admin(sql, [globex])
  await gateway.database.admin(`UPDATE identity."user" SET name = 'CANARY-B Gloria' WHERE email = 'owner@globex.test'`)
}

async function foreignData(): Promise<Foreign> {
  const { data, errors } = await (await gateway.as('owner@globex.test'))(everyId)
  expect(errors).toBeUndefined()
  const { organization } = data
  const theirOwner = ({ role }: { role: string }) => role === 'OWNER'
  const [theirs, ours] = await Promise.all([rowsOf(globex), rowsOf(acme)])
  const strings = (rows: string[]) => new Set(stringsIn(rows.map((row) => JSON.parse(row))))
  const uuids = (rows: string[]) => new Set([...rows.join().matchAll(uuid)].map(([id]) => id))
  const secrets = without(strings(theirs), strings(ours))
  const secretIds = without(uuids(theirs), uuids(ours))
  return {
    ids: [
      ...lists.map((list) => data[list].nodes[0].id),
      organization.id,
      organization.members.find(theirOwner).id,
      organization.members.find(theirOwner).user.id,
      organization.invitations[0].id,
      organization.apiKeys[0].id,
      organization.auditLog.nodes[0].id,
    ],
    rows: theirs,
    leaksIn: (answer) =>
      stringsIn(answer).filter((text) => {
        const decoded = Buffer.from(text, 'base64url').toString('latin1')
        const named = [...text.matchAll(uuid), ...decoded.matchAll(uuid)].some(([id]) => secretIds.has(id))
        return (text.length > 7 && secrets.has(text)) || /canary-b|globex/i.test(text) || named
      }),
  }
}

const without = (some: Set<string>, others: Set<string>) => new Set([...some].filter((item) => !others.has(item)))

const uuid = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g

/** Every row of every table that has to do with a tenant: its own, those that name it, and its users and what they have. */
async function rowsOf(tenant: string): Promise<string[]> {
  const columns = await gateway.database.admin<{ schema: string; table: string; column: string }>(
    `SELECT DISTINCT table_schema AS schema, format('%I.%I', table_schema, table_name) AS "table", column_name AS "column"
     FROM information_schema.columns WHERE table_schema = ANY ($1) AND column_name IN ('tenant_id', 'tenant', 'user_id') ORDER BY 1, 2, 3`,
    [databases],
  )
  const members = await gateway.database.admin('SELECT user_id FROM identity.member WHERE tenant_id = $1', [tenant])
  const conditions = [
    ...columns.map(({ schema, table, column }) => ({
      schema,
      table,
      condition: column === 'user_id' ? '= ANY ($2)' : '= $1',
      column,
    })),
    { schema: 'identity', table: 'identity."user"', column: 'id', condition: '= ANY ($2)' },
  ]
  const found: string[] = []
  for (const [, tables] of Map.groupBy(conditions, ({ schema }) => schema)) {
    const queries = tables.map(
      ({ table, column, condition }) =>
        `SELECT '${table} ' || to_jsonb(t)::text AS found FROM ${table} t WHERE ${column}::uuid ${condition}`,
    )
    const used = `WITH given AS (SELECT $1::uuid, $2::uuid[]) ${queries.join(' UNION ')} ORDER BY 1`
    const rows = await gateway.database.admin<{ found: string }>(used, [tenant, members.map(({ user_id }) => user_id)])
    found.push(...rows.map(({ found }) => found))
  }
  return found.sort().map((row) => row.slice(row.indexOf('{')))
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [key]), ...stringsIn(inner)])
}

function randomQueries(seed: number, count: number): string[] {
  let state = seed
  /** Mulberry32. */
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!
  const values = ({ name, type }: GraphQLArgument) => {
    if (/\bID\b/.test(String(type))) return pick(foreign.ids)
    if (name === 'first') return pick([1, 5, 20])
    if (name === 'search') return pick(['', 'a', '%', 'no such thing', undefined])
    if (/^Date\b/.test(String(type))) return pick(['2026-02-01', '2026-02-14', '2026-11-25'])
    if (isEnumType(type)) return pick([undefined, ...type.getValues().map(({ name }) => name)])
    return undefined
  }
  return Array.from({ length: count }, () => randomQuery(schema, random, 4, values))
}
