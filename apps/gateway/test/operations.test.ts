import { randomUUID } from 'node:crypto'
import { ordersDomain } from '@offshoot/orders'
import { tenantId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type TestGateway, testGateway } from './gateway.ts'

type Ask = (query: string, variables?: Record<string, unknown>) => Promise<Answer>

let gateway: TestGateway
let operator: Ask
beforeAll(async () => {
  gateway = await testGateway({ events: true })
  operator = await gateway.as('operator@offshoot.test')
})
afterAll(() => gateway.close())

/** Lays dead letters into the inbox of a domain, as a handler that fails for good would leave them. */
async function die(domain: string, tenant: string, count: number, handler = 'test'): Promise<void> {
  await gateway.database.admin(
    `WITH given AS (SELECT n, gen_random_uuid() AS id, 'order/' || gen_random_uuid() AS aggregate FROM generate_series(1, ${count}) n), heads AS (
       INSERT INTO ${domain}.inbox_head (tenant_id, handler, source, aggregate, parked) SELECT $1, $2, 'orders', aggregate, true FROM given
     )
     INSERT INTO ${domain}.inbox (tenant_id, handler, id, source, aggregate, revision, after, type, version, time, data, status, attempts, error, first_failed_at, last_failed_at)
     SELECT $1, $2, id, 'orders', aggregate, 1, 0, 'orders.OrderPlaced', 1, now(), '{"name":"Ms Secret"}', 'dead', 10, 'Error: no', now(), now() FROM given`,
    [tenantId(tenant), handler],
  )
}

const list = `query ($first: Int, $after: String, $domain: String, $handler: String) { operations {
  deadLetters(first: $first, after: $after, domain: $domain, handler: $handler) {
    nodes { id domain handler tenant event { id source type version subject revision time traceparent } error attempts firstFailedAt lastFailedAt }
    pageInfo { hasNextPage endCursor }
  }
} }`
const replay = 'mutation ($id: ID!) { replayDeadLetter(id: $id) { id } }'
const discard = 'mutation ($id: ID!) { discardDeadLetter(id: $id) { id } }'
const letters = async (variables: object = {}) =>
  (await operator(list, { first: 100, ...variables })).data.operations.deadLetters.nodes

describe('operations', () => {
  it('are for the staff of the product: not for an owner, a member, a key or anybody', async () => {
    await die('orders', 'acme', 1, 'guarded')
    const [{ id }] = await letters({ handler: 'guarded' })
    const owner = await gateway.as('owner@acme.test', 'acme')
    const { data } = await owner('mutation { createApiKey(input: { name: "k", scopes: ["order:read"] }) { secret } }')
    const key: Ask = (query, variables) =>
      gateway.ask(query, variables, { token: data.createApiKey.secret, tenant: 'acme' })
    for (const ask of [owner, await gateway.as('member@acme.test', 'acme'), await gateway.as('owner@acme.test'), key]) {
      for (const [document, field] of [
        [list, 'operations'],
        [replay, 'replayDeadLetter'],
        [discard, 'discardDeadLetter'],
      ] as const) {
        for (const given of [id, 'nonsense']) {
          const { data, errors } = await ask(document, { id: given })
          expect(data).toEqual({ [field]: null })
          expect(errors).toMatchObject([{ path: [field], extensions: { code: 'FORBIDDEN', reason: 'OPERATOR_ONLY' } }])
        }
      }
    }
    const { data: nothing, errors } = await gateway.ask(list)
    expect(nothing).toEqual({ operations: null })
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }])
    expect(await letters({ handler: 'guarded' })).toHaveLength(1)
  })

  it('show the dead letters of all tenants, without what the events say', async () => {
    await die('orders', 'globex', 1, 'shown')
    const answer = await operator(list, { handler: 'shown' })
    expect(answer.errors).toBeUndefined()
    expect(answer.data.operations.deadLetters.nodes).toMatchObject([
      {
        domain: 'orders',
        handler: 'shown',
        tenant: tenantId('globex'),
        event: { source: 'orders', type: 'orders.OrderPlaced', version: 1, revision: 1 },
        error: 'Error: no',
        attempts: 10,
      },
    ])
    expect(JSON.stringify(answer)).not.toContain('Secret')
  })

  it('list dead letters across domains in one order, page by page, each once', async () => {
    for (const domain of ['orders', 'catalog'])
      for (const tenant of ['acme', 'globex']) await die(domain, tenant, 3, 'paged')
    const seen: string[] = []
    let after: string | undefined
    for (let page = 0; page < 10; page++) {
      const { nodes, pageInfo } = (await operator(list, { first: 5, after, handler: 'paged' })).data.operations
        .deadLetters
      seen.push(...nodes.map(({ id }: { id: string }) => id))
      after = pageInfo.endCursor
      if (!pageInfo.hasNextPage) break
    }
    expect(seen).toHaveLength(12)
    expect(seen).toEqual((await letters({ handler: 'paged' })).map(({ id }: { id: string }) => id))
    expect(await letters({ domain: 'catalog', handler: 'paged' })).toHaveLength(6)
    expect(await letters({ domain: 'elsewhere' })).toEqual([])
  })

  it('replay and discard dead letters, each once', async () => {
    await die('orders', 'acme', 2, 'settled')
    const [first, second] = await letters({ handler: 'settled' })
    expect((await operator(replay, { id: first.id })).data).toEqual({ replayDeadLetter: { id: first.id } })
    expect((await operator(discard, { id: second.id })).data).toEqual({ discardDeadLetter: { id: second.id } })
    const rows = await gateway.database.admin(`SELECT id, status FROM orders.inbox WHERE handler = 'settled'`)
    expect(Object.fromEntries(rows.map(({ id, status }) => [id, status]))).toEqual({
      [first.event.id]: 'pending',
      [second.event.id]: 'discarded',
    })
    for (const document of [replay, discard]) {
      for (const id of [first.id, 'nonsense', randomUUID()]) {
        const { errors } = await operator(document, { id })
        expect(errors).toMatchObject([{ extensions: { code: 'NOT_FOUND', reason: 'DEAD_LETTER_NOT_FOUND' } }])
      }
    }
  })

  it('tell how far each domain’s outbox is behind', async () => {
    const { data, errors } = await operator('{ operations { outboxLag { domain unpublished oldestSeconds } } }')
    expect(errors).toBeUndefined()
    const orders = data.operations.outboxLag.find(({ domain }: { domain: string }) => domain === 'orders')
    expect(orders).toEqual({ domain: 'orders', unpublished: expect.any(Number), oldestSeconds: null })
  })

  it('go on record, with who it was', () => {
    const line = gateway.logged.find((line) => line.includes('dead letters are listed'))
    expect(JSON.parse(line!).use.reason).toMatch(/^operator [0-9a-f-]{36}: dead letters are listed$/)
    expect(gateway.logged.join()).toMatch(/operator [0-9a-f-]{36}: the dead letter \S+ is replayed/)
    expect(gateway.logged.join()).not.toContain('Secret')
  })
})

describe('the plan of a tenant', () => {
  const mergedLines = ordersDomain.definition.flags!.find(({ key }) => key === 'orders.merged-lines')!
  const change = `mutation ($slug: String!, $plan: Plan!) { changePlan(input: { slug: $slug, plan: $plan }) { slug plan } }`
  const merged = `mutation ($product: ID!, $key: String!) { placeOrder(input: {
    idempotencyKey: $key, lines: [{ productId: $product, quantity: 1 }, { productId: $product, quantity: 1 }]
  }) { lines { quantity } } }`

  it('decides from the next request on what flags say that are switched by plan, and is for the staff to change', async () => {
    const constraints = [{ contextName: 'plan', operator: 'IN', values: ['pro', 'enterprise'] }]
    gateway.flags.set(mergedLines, [{ name: 'default', parameters: {}, constraints }])
    const [acme, globex] = [await gateway.as('owner@acme.test'), await gateway.as('owner@globex.test')]
    const mayMerge = async (owner: Ask) => {
      const [product] = (await owner('{ products(first: 1) { nodes { id } } }')).data.products.nodes
      const { data, errors } = await owner(merged, { product: product.id, key: randomUUID() })
      return data.placeOrder ? data.placeOrder.lines[0].quantity === 2 : errors![0]!.extensions.reason
    }
    const plans = () => Promise.all([acme, globex].map(async (ask) => (await ask(own)).data.organization.plan))
    const own = '{ organization { plan } me { memberships { organization { plan } } } }'

    expect(await plans()).toEqual(['PRO', 'FREE'])
    expect([await mayMerge(acme), await mayMerge(globex)]).toEqual([true, 'INVALID_INPUT'])
    for (const slug of ['acme', 'globex']) {
      expect(await globex(change, { slug, plan: 'ENTERPRISE' })).toMatchObject({
        data: { changePlan: null },
        errors: [{ extensions: { code: 'FORBIDDEN', reason: 'OPERATOR_ONLY' } }],
      })
    }
    expect(await plans()).toEqual(['PRO', 'FREE'])
    const { data } = await operator(change, { slug: 'globex', plan: 'ENTERPRISE' })
    expect(data).toEqual({ changePlan: { slug: 'globex', plan: 'ENTERPRISE' } })
    await operator(change, { slug: 'acme', plan: 'FREE' })
    expect([await mayMerge(acme), await mayMerge(globex)]).toEqual(['INVALID_INPUT', true])
    expect((await globex(own)).data.me.memberships).toEqual([{ organization: { plan: 'ENTERPRISE' } }])
  })
})

describe('readiness', () => {
  it('tells whether events are carried, and how far behind each outbox is', async () => {
    const response = await fetch(`${gateway.url}/readyz`)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      status: 'ready',
      dependencies: { 'database:orders': 'up', events: 'up' },
      outboxLagSeconds: { orders: expect.any(Number) },
    })
  })
})
