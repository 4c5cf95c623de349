import { inSpan } from '@offshoot/telemetry'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openSystemPool } from '../src/system.ts'
import { newTenant, openShop, type Shop } from './shop/shop.ts'

const recording = recordTelemetry()
const [ours, theirs] = [newTenant(), newTenant()]
let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(async () => {
  recording.stop()
  await shop.close()
})
beforeEach(() => recording.reset())

type Recorded = ReturnType<typeof recording.spans>[number]
const named = (name: string) => recording.spans().filter((span) => span.name === name)
const only = (name: string): Recorded => {
  expect(recording.spans().map((span) => span.name)).toContain(name)
  return named(name)[0]!
}
const parentOf = (span: Recorded) => span.parentSpanContext?.spanId
const idOf = (span: Recorded) => span.spanContext().spanId
/** As a call does: what it asks for is a part of its span. */
const call = <T>(name: string, work: () => Promise<T>) => inSpan('rpc.call', name, {}, async () => work())

describe('a statement of a lane', () => {
  it('is a span of whoever asked for it, with the tenant that it was for, and no value', async () => {
    await call('shop.find', () => shop.lanes.use(ours, (db) => db.order.findMany({ where: { key: 'a canary' } })))
    const statement = only('SELECT order')
    const { hostname, port, pathname } = new URL(shop.database.urls.shop!.serving)
    expect(parentOf(statement)).toBe(idOf(only('shop.find')))
    expect(statement).toMatchObject({ kind: 2, status: { code: 0 } })
    expect(statement.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.namespace': `${pathname.slice(1)}|shop`,
      'db.operation.name': 'SELECT',
      'db.collection.name': 'order',
      'db.query.summary': 'SELECT order',
      'db.query.text': expect.stringMatching(/^SELECT .*"key" = \$/),
      'server.address': hostname,
      'server.port': Number(port),
      domain: 'shop',
      'tenant.id': ours,
    })
    expect(JSON.stringify(statement.attributes)).not.toContain('canary')
  })

  it('that fails tells PostgreSQL’s code, and nothing of what it was about', async () => {
    const sent = call('shop.cast', () => shop.lanes.use(ours, (db) => db.$queryRaw`select ${'a canary'}::text::int`))
    await expect(sent).rejects.toThrow()
    const statement = only('SELECT')
    expect(statement).toMatchObject({
      attributes: { 'db.response.status_code': '22P02', 'error.type': '22P02' },
      status: { code: 2 },
      events: [],
    })
    expect(JSON.stringify([statement.attributes, statement.status])).not.toContain('canary')
  })

  it('has its own tenant and its own parent, whoever shares its connection', async () => {
    const alternating = Array.from({ length: 24 }, (_, n) => ({ n, tenant: n % 2 ? ours : theirs }))
    await Promise.all(
      alternating.map(({ n, tenant }) =>
        call(`shop.find ${n} ${tenant}`, () => shop.lanes.use(tenant, (db) => db.order.findMany())),
      ),
    )
    const statements = named('SELECT order')
    expect(statements).toHaveLength(24)
    const parents = new Map(recording.spans().map((span) => [idOf(span), span.name]))
    const told = statements.map((span) => `${parents.get(parentOf(span)!)} ${span.attributes['tenant.id']}`)
    expect(told.sort()).toEqual(alternating.map(({ n, tenant }) => `shop.find ${n} ${tenant} ${tenant}`).sort())
  })

  it('is measured by its domain and its operation, and never by its tenant', async () => {
    await shop.lanes.use(ours, (db) => db.order.findMany())
    const { 'db.client.operation.duration': series } = await recording.metrics()
    expect(series).toContainEqual(
      expect.objectContaining({ labels: { domain: 'shop', 'db.operation.name': 'SELECT' } }),
    )
    expect(JSON.stringify(series)).not.toContain(ours)
  })
})

describe('a transaction', () => {
  it('is a span around its statements, COMMIT among them', async () => {
    await call('shop.place', () =>
      shop.lanes.use(ours, (db) =>
        db.transaction(async (tx) => {
          await tx.order.create({ data: { key: 'A-1' } })
          await tx.order.count()
        }),
      ),
    )
    const transaction = only('transaction shop')
    expect(parentOf(transaction)).toBe(idOf(only('shop.place')))
    expect(transaction.attributes).toEqual({ domain: 'shop', 'tenant.id': ours })
    const statements = recording.spans().filter((span) => parentOf(span) === idOf(transaction))
    expect(statements.map(({ name }) => name)).toEqual(['INSERT order', 'SELECT order', 'COMMIT'])
    expect(statements.map(({ attributes }) => attributes['tenant.id'])).toEqual([ours, ours, ours])
  })

  it('says how it failed when it is rolled back', async () => {
    const work = shop.lanes.use(ours, (db) =>
      db.transaction(async (tx) => {
        await tx.order.count()
        throw new RangeError('no')
      }),
    )
    await expect(work).rejects.toThrow(RangeError)
    expect(only('ROLLBACK').attributes).toMatchObject({ 'tenant.id': ours })
    expect(only('transaction shop')).toMatchObject({ attributes: { 'error.type': 'RangeError' }, status: { code: 2 } })
  })

  it('tells how long it waited for its connection', async () => {
    await shop.lanes.use(ours, (db) => db.transaction((tx) => tx.order.count()))
    expect((await recording.metrics())['db.client.connection.wait_time']).toMatchObject([
      { labels: { domain: 'shop', 'db.client.connection.pool.name': 'transactions' } },
    ])
  })
})

describe('a statement of no tenant', () => {
  it('is a span of whoever asked for it as well', async () => {
    await call('shop.countries', () => shop.lanes.global.country.findMany())
    const statement = only('SELECT country')
    expect(parentOf(statement)).toBe(idOf(only('shop.countries')))
    expect(statement.attributes).toMatchObject({ domain: 'shop', 'db.operation.name': 'SELECT' })
    expect(statement.attributes).not.toHaveProperty('tenant.id')
  })

  it('has the right parent in a transaction, and when it had to wait for a connection', async () => {
    const names = Array.from({ length: 9 }, (_, n) => `shop.countries ${n}`)
    await Promise.all(
      names.map((name) =>
        call(name, () => shop.lanes.global.$transaction(async (tx: any) => void (await tx.country.count()))),
      ),
    )
    const parents = names.map((name) => idOf(only(name)))
    expect(named('SELECT country').map(parentOf).sort()).toEqual(parents.sort())
  })
})

describe('pools and lanes', () => {
  it('tell how many connections they have and who waits for one', async () => {
    const system = await openSystemPool({ url: shop.database.urls.shop!.system, schema: 'shop', audit() {} })
    await system('for a test').query('select 1')
    const measured = await shop.lanes.use(ours, () => recording.metrics())
    const value = (metric: string, pool: string, more = {}) =>
      measured[metric]!.find(
        ({ labels }) =>
          JSON.stringify(labels) ===
          JSON.stringify({ domain: 'shop', 'db.client.connection.pool.name': pool, ...more }),
      )?.value
    const idle = { 'db.client.connection.state': 'idle' }
    expect(value('db.client.connection.count', 'statements', idle)).toBe(4)
    expect(value('db.client.connection.count', 'system', idle)).toBe(1)
    expect(value('db.client.connection.max', 'transactions')).toBe(8)
    expect(value('db.client.connection.pending_requests', 'global')).toBe(0)
    expect(measured['offshoot.lane.count']).toContainEqual({
      labels: { domain: 'shop', 'offshoot.lane.state': 'used' },
      value: 1,
    })
    await system.close()
  })
})
