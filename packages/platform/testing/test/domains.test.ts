import { setTimeout as sleep } from 'node:timers/promises'
import { defineEvent } from '@offshoot/events'
import { postgresTransport } from '@offshoot/events/runtime'
import { startDomains } from '@offshoot/host'
import { createClient, type Identity, unavailable } from '@offshoot/rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type TestApp, type TestDatabase, tenantId, testApp, testDatabase, userId } from '../src/index.ts'
import { type DeskContext, desk, deskDomain, keysOf, type ShopContext, shop, shopDomain } from './shop.ts'

type Answer = { keys: string[] }
const nothing: Answer = { keys: [] }
let app: TestApp
/** What the domains' commands do, in the test that runs. */
let inShop: (context: ShopContext, key: string) => Promise<Answer>
let atDesk: (context: DeskContext, key: string) => Promise<Answer>
const domains = [
  shopDomain((context, { key }) => inShop(context, key)),
  deskDomain((context, { key }) => atDesk(context, key)),
]

beforeAll(async () => {
  app = await testApp(domains, { outage: true })
})
afterAll(() => app.stop())

const failures = () =>
  app.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'a call failed unexpectedly')
const lastFailure = () => failures().at(-1)?.err.message as string
const owner = (tenant: string): Identity => ({
  actor: { kind: 'user', id: userId(`owner@${tenant}.test`), operator: false },
  tenant: tenantId(tenant),
  plan: 'free',
  role: 'owner',
  scopes: null,
})
/** A client whose caller waits `ms`. */
const hurried = (ms: number) =>
  createClient(shop, app.host.link, app.host.tokens, {
    identity: owner('acme'),
    deadline: performance.now() + ms,
    requestId: 'hurried',
  })

describe('a unit of work', () => {
  it('has the data of its caller’s tenant', async () => {
    inShop = async ({ db, tenant }, key) => {
      await db.order.create({ data: { key, note: tenant } })
      return { keys: await keysOf(db) }
    }
    expect(await app.client(shop).run({ key: 'ours' })).toEqual({ keys: ['ours'] })
    expect(await app.client(shop, { tenant: 'globex' }).run({ key: 'theirs' })).toEqual({ keys: ['theirs'] })
    expect(await app.client(shop).keys({})).toEqual({ keys: ['ours'] })
  })

  it('without a tenant has no data, until it says whose it enters', async () => {
    const user = { ...owner('acme'), tenant: null, role: null }
    inShop = async ({ db }) => ({ keys: await keysOf(db) })
    await expect(app.client(shop, { identity: user }).runForUser({ key: '' })).rejects.toMatchObject({
      code: 'INTERNAL',
    })
    expect(lastFailure()).toMatch('shop.runForUser is called without a tenant. Use ctx.enter(tenant)')

    inShop = async ({ enter }) => ({ keys: await keysOf(enter(tenantId('globex'))) })
    expect(await app.client(shop, { identity: user }).runForUser({ key: '' })).toEqual({ keys: ['theirs'] })
  })

  it.each(['succeeds', 'fails', 'runs out of time'])('that %s leaves no handle that works', async (ending) => {
    const kept: ShopContext['db'][] = []
    inShop = async ({ db, enter }) => {
      kept.push(db, enter(tenantId('globex')))
      await db.order.count()
      if (ending === 'fails') throw new Error('as planned')
      if (ending === 'runs out of time') await sleep(150)
      return nothing
    }
    await hurried(ending === 'runs out of time' ? 100 : 2_000)
      .run({ key: '' })
      .catch(() => {})
    expect(kept).toHaveLength(2)
    for (const db of kept) await expect(db.order.count()).rejects.toThrow(/over|revoked|handed back|ended/i)
  })

  it('that ran out of time begins nothing afterwards: no lane, no global table, no call', async () => {
    const late: string[] = []
    let done: () => void
    const finished = new Promise<void>((resolve) => {
      done = resolve
    })
    atDesk = async (context) => {
      await sleep(120)
      for (const attempt of [
        () => context.db.order.create({ data: { key: 'late' } }),
        () => context.enter(tenantId('globex')).order.create({ data: { key: 'late' } }),
        () => context.global.country.create({ data: { code: 'LA', name: 'late' } }),
        () => context.clients.shop.run({ key: 'late' }),
      ]) {
        late.push(
          await Promise.resolve()
            .then<unknown>(attempt)
            .then(
              () => 'done',
              (error) => error.message,
            ),
        )
      }
      done()
      return nothing
    }
    const client = createClient(desk, app.host.link, app.host.tokens, {
      identity: owner('acme'),
      deadline: performance.now() + 60,
      requestId: 'r',
    })
    await expect(client.run({ key: '' })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await finished
    expect(late).toEqual(Array(4).fill(expect.stringContaining('desk.run is over')))
    expect(await app.database.admin(`select key from desk."order" union all select code from desk.country`)).toEqual([])
  })

  it('that ran out of time inside a transaction has written nothing', async () => {
    let settled: Promise<unknown> = Promise.resolve()
    inShop = async ({ db }) => {
      settled = db
        .transaction(async (tx) => {
          await tx.order.create({ data: { key: 'half' } })
          await sleep(250)
        })
        .catch((error) => error)
      await settled
      return nothing
    }
    await expect(hurried(150).run({ key: '' })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(await settled).toBeInstanceOf(Error)
    expect(await app.client(shop).keys({})).toEqual({ keys: ['ours'] })
  })

  it('logs with the call, the request and the tenant; an unexpected failure too', async () => {
    inShop = async ({ log }) => {
      log.info('on it')
      throw new Error('the stock room is on fire')
    }
    await expect(app.client(shop).run({ key: '' })).rejects.toMatchObject({ code: 'INTERNAL' })
    const about = { requestId: 'test', call: 'shop.run', tenant: tenantId('acme') }
    const lines = app.logged.slice(-2).map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { ...about, msg: 'on it' },
      { ...about, msg: 'a call failed unexpectedly', code: 'INTERNAL', err: { message: 'the stock room is on fire' } },
    ])
  })
})

describe('a call to another domain', () => {
  it('is made as the same caller, in the same tenant, within the same deadline and request', async () => {
    const calls: ShopContext['call'][] = []
    atDesk = async ({ call, clients }, key) => {
      calls.push(call)
      return clients.shop.run({ key })
    }
    inShop = async ({ call, db }) => {
      calls.push(call)
      return { keys: await keysOf(db) }
    }
    expect(await app.client(desk, { tenant: 'globex', role: 'member' }).run({ key: '' })).toEqual({ keys: ['theirs'] })
    const [outer, inner] = calls as [ShopContext['call'], ShopContext['call']]
    expect(inner.identity).toEqual(outer.identity)
    expect(inner.requestId).toBe(outer.requestId)
    expect(inner.deadline).toBeLessThanOrEqual(outer.deadline + 100) // a busy machine takes its time between the two
  })

  it('cannot be made while a transaction is open; before and after it can', async () => {
    inShop = async ({ db }) => ({ keys: await keysOf(db) })
    atDesk = async ({ db, clients }, key) => {
      await clients.shop.run({ key })
      await db.transaction(async (tx) => {
        await tx.order.create({ data: { key: 'written' } })
        if (key === 'inside') await clients.shop.run({ key })
      })
      return clients.shop.run({ key })
    }
    await expect(app.client(desk).run({ key: 'inside' })).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(lastFailure()).toMatch('desk.run calls another domain while a transaction is open. Call first, then begin')
    expect(await app.database.admin('select key from desk."order"')).toEqual([])
    expect(await app.client(desk).run({ key: '' })).toEqual({ keys: ['ours'] })
  })

  it('cannot be made in the transaction of a lane that was entered, either', async () => {
    atDesk = async ({ enter, clients }, key) =>
      enter(tenantId('globex')).transaction(async () => clients.shop.run({ key }))
    await expect(app.client(desk).run({ key: 'inside' })).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(lastFailure()).toMatch('while a transaction is open')
  })
})

describe('the health of domains', () => {
  it('is down while the database is away, and up again when it is back; calls are UNAVAILABLE in between', async () => {
    inShop = async ({ db }) => ({ keys: await keysOf(db) })
    expect(await app.host.health()).toEqual({ shop: 'up', desk: 'up' })
    await app.outage!.begin()
    expect(await app.host.health()).toEqual({ shop: 'down', desk: 'down' })
    await expect(app.client(shop).run({ key: '' })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await app.outage!.end()
    await expect.poll(() => app.host.health()).toEqual({ shop: 'up', desk: 'up' })
    await expect
      .poll(
        () =>
          app
            .client(shop)
            .run({ key: '' })
            .catch(() => null),
        { timeout: 5_000 },
      )
      .toEqual({ keys: ['ours'] })
  })
})

describe('starting domains', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await testDatabase(domains.map(({ data }) => data))
  })
  afterAll(() => database.drop())
  const databaseUrl = (domain: string) => database.urls[domain]!.serving
  const openConnections = () =>
    database.admin(
      `select application_name from pg_stat_activity where datname = current_database() and application_name like 'offshoot %'`,
    )

  it('is refused as a role that row security does not bind, and leaves no connection behind', async () => {
    for (const url of [database.adminUrl, database.urls.desk!.system]) {
      const start = startDomains({
        domains,
        platform: app.platform,
        databaseUrl: (domain) => (domain === 'shop' ? databaseUrl('shop') : url),
      })
      await expect(start).rejects.toThrow(/'desk' must not be served as the database role/)
    }
    await expect.poll(openConnections).toEqual([])
  })

  it('is refused when events would be carried as such a role', async () => {
    const nobody = defineEvent('shop.NothingHappened', {
      version: 1,
      aggregate: 'nothing',
      key: () => 'nothing',
      data: z.object({}),
    })
    const transport = postgresTransport({ url: database.urls.events!.serving, onTrouble: () => {} })
    const start = startDomains({
      domains: [shopDomain(async () => nothing, { emits: [nobody] })],
      platform: app.platform,
      databaseUrl,
      events: { transport, systemUrl: () => database.adminUrl },
    })
    await expect(start).rejects.toThrow(/'shop' across tenants must not be done as the database role/)
    await transport.close()
    await expect.poll(openConnections).toEqual([])
  })

  it('is undone as a whole when one domain cannot, or its routes cannot be made', async () => {
    const unreachable = startDomains({
      domains,
      platform: app.platform,
      databaseUrl: (domain) => (domain === 'shop' ? databaseUrl('shop') : 'postgres://nobody@127.0.0.1:1/none'),
    })
    await expect(unreachable).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const router = () => {
      throw new Error('no routes today')
    }
    const broken = shopDomain(async () => nothing, { routes: { path: '/shop', router } })
    await expect(startDomains({ domains: [broken], platform: app.platform, databaseUrl })).rejects.toThrow(
      'no routes today',
    )
    await expect.poll(openConnections).toEqual([])
  })

  it('plants demo data in the order of the domains, begins again where the database is busy, and takes the lanes back', async () => {
    const lanes: ShopContext['db'][] = []
    const seeded = shopDomain(async () => nothing, {
      async seed({ enter }: Pick<ShopContext, 'enter'>) {
        const db = enter(tenantId('seeded'))
        lanes.push(db)
        if (lanes.length === 1) throw unavailable('DATABASE', 'busy')
        await db.order.create({ data: { key: 'planted' } })
      },
    })
    const host = await startDomains({ domains: [seeded], platform: app.platform, databaseUrl })
    await host.seed()
    expect(lanes).toHaveLength(2)
    for (const lane of lanes) await expect(lane.order.count()).rejects.toThrow()
    await host.stop()
    expect(await database.admin('select key, tenant_id from shop."order"')).toEqual([
      { key: 'planted', tenant_id: tenantId('seeded') },
    ])
  })
})
