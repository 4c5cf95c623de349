import { randomUUID } from 'node:crypto'
import { tenantId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { domains } from '../src/domains.ts'
import { type Answer, type TestGateway, testGateway } from './gateway.ts'

type Ask = (query: string, variables?: Record<string, unknown>) => Promise<Answer>

let gateway: TestGateway
let operator: Ask
beforeAll(async () => {
  gateway = await testGateway({ events: true })
  operator = await gateway.as('operator@offshoot.test')
})
afterAll(() => gateway.close())

/** Any two domains; the same one twice where there is only one. */
const [home, other] = [domains[0]!.name, domains.at(-1)!.name]

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
    await die(home, 'acme', 1, 'guarded')
    const [{ id }] = await letters({ handler: 'guarded' })
    const owner = await gateway.as('owner@acme.test', 'acme')
    const { data } = await owner(
      'mutation { createApiKey(input: { name: "k", scopes: ["organization:read"] }) { secret } }',
    )
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
    await die(home, 'globex', 1, 'shown')
    const answer = await operator(list, { handler: 'shown' })
    expect(answer.errors).toBeUndefined()
    expect(answer.data.operations.deadLetters.nodes).toMatchObject([
      {
        domain: home,
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
    for (const domain of [home, other]) for (const tenant of ['acme', 'globex']) await die(domain, tenant, 3, 'paged')
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
    expect(await letters({ domain: other, handler: 'paged' })).toHaveLength(home === other ? 12 : 6)
    expect(await letters({ domain: 'elsewhere' })).toEqual([])
  })

  it('replay and discard dead letters, each once', async () => {
    await die(home, 'acme', 2, 'settled')
    const [first, second] = await letters({ handler: 'settled' })
    expect((await operator(replay, { id: first.id })).data).toEqual({ replayDeadLetter: { id: first.id } })
    expect((await operator(discard, { id: second.id })).data).toEqual({ discardDeadLetter: { id: second.id } })
    const rows = await gateway.database.admin(`SELECT id, status FROM ${home}.inbox WHERE handler = 'settled'`)
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
    const lag = data.operations.outboxLag.find(({ domain }: { domain: string }) => domain === home)
    expect(lag).toEqual({ domain: home, unpublished: expect.any(Number), oldestSeconds: null })
  })

  it('go on record, with who it was', () => {
    const line = gateway.logged.find((line) => line.includes('dead letters are listed'))
    expect(JSON.parse(line!).use.reason).toMatch(/^operator [0-9a-f-]{36}: dead letters are listed$/)
    expect(gateway.logged.join()).toMatch(/operator [0-9a-f-]{36}: the dead letter \S+ is replayed/)
    expect(gateway.logged.join()).not.toContain('Secret')
  })
})

describe('readiness', () => {
  it('tells whether events are carried, and how far behind each outbox is', async () => {
    const emitting = domains.filter(({ definition }) => definition.emits)
    const response = await fetch(`${gateway.url}/readyz`)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      status: 'ready',
      dependencies: { [`database:${home}`]: 'up', events: 'up' },
      outboxLagSeconds: Object.fromEntries(emitting.map(({ name }) => [name, expect.any(Number)])),
    })
  })
})
