import { randomUUID } from 'node:crypto'
import { openLanes } from '@offshoot/data'
import { checkCatalog } from '@offshoot/data/migrate'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { startProxy } from '../../data/test/shop/proxy.ts'
import { PrismaClient } from '../../data/test/shop/src/generated/prisma/client.ts'
import { defineEvent } from '../src/index.ts'
import { acme, Closed, globex, Noted, openShop, pause, type Shop } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.stop())

const outbox = (order: string) =>
  shop.database.admin('SELECT * FROM shop.outbox WHERE aggregate = $1 ORDER BY revision', [`order/${order}`])

describe('emitting an event', () => {
  it('commits together with the state', async () => {
    const order = randomUUID()
    await shop.lanes.use(acme, (db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: order } })
        tx.emit(Noted, { order, n: 1 })
      }),
    )
    expect(await shop.lanes.use(acme, (db) => db.order.count({ where: { key: order } }))).toBe(1)
    expect(await outbox(order)).toMatchObject([
      { tenant_id: acme, type: 'shop.Noted', version: 1, data: { order, n: 1 } },
    ])
  })

  it('leaves nothing behind after a rollback, neither of the event nor of the state', async () => {
    const order = randomUUID()
    const work = shop.lanes.use(acme, (db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: order } })
        tx.emit(Noted, { order, n: 1 })
        throw new Error('changed my mind')
      }),
    )
    await expect(work).rejects.toThrow('changed my mind')
    expect(await shop.lanes.use(acme, (db) => db.order.count({ where: { key: order } }))).toBe(0)
    expect(await outbox(order)).toEqual([])
  })

  it('undoes the state when the event cannot be written', async () => {
    const order = randomUUID()
    const work = shop.lanes.use(acme, (db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: order } })
        tx.emit({ prepare: () => ({ type: 'shop.Odd', version: 1, aggregate: 'x', data: '\u0000' }) }, {})
      }),
    )
    await expect(work).rejects.toThrow()
    expect(await shop.lanes.use(acme, (db) => db.order.count({ where: { key: order } }))).toBe(0)
  })

  it('works inside a transaction only', async () => {
    const work = shop.lanes.use(acme, async (db) => {
      // @ts-expect-error: a lane outside of a transaction has no `emit`
      db.emit(Noted, { order: randomUUID(), n: 1 })
    })
    await expect(work).rejects.toThrow('inside a transaction only')
  })

  it('is over with the transaction', async () => {
    const order = randomUUID()
    let late: (() => void) | undefined
    await shop.lanes.use(acme, (db) =>
      db.transaction(async (tx) => {
        late = () => tx.emit(Noted, { order, n: 1 })
      }),
    )
    expect(late).toThrow('revoked')
    expect(await outbox(order)).toEqual([])
  })

  it('refuses data that do not fit, and says which without showing them', async () => {
    const order = randomUUID()
    const work = shop.emit(acme, { order, n: 1 }, { order, n: 4711.5 })
    await expect(work).rejects.toThrow(/shop\.Noted do not fit its schema: n \(/)
    await expect(work).rejects.not.toThrow(/4711/)
    expect(await outbox(order)).toEqual([])
    // @ts-expect-error: and it does not compile
    await expect(shop.emit(acme, { order })).rejects.toThrow('n (')
  })

  it('counts within the aggregate, and tells of each type what came before', async () => {
    const order = randomUUID()
    await shop.lanes.use(acme, (db) =>
      db.transaction(async (tx) => {
        tx.emit(Noted, { order, n: 1 })
        tx.emit(Noted, { order, n: 2 })
        tx.emit(Closed, { order })
        tx.emit(Noted, { order, n: 3 })
      }),
    )
    await shop.emit(acme, { order, n: 4 })
    expect((await outbox(order)).map(({ revision, last_by_type }) => [Number(revision), last_by_type])).toEqual([
      [1, {}],
      [2, { 'shop.Noted': 1 }],
      [3, { 'shop.Noted': 2 }],
      [4, { 'shop.Noted': 2, 'shop.Closed': 3 }],
      [5, { 'shop.Noted': 4, 'shop.Closed': 3 }],
    ])
  })

  it('gives revisions without gaps in the order of commits, however many emit at once', async () => {
    const order = randomUUID()
    await Promise.all(Array.from({ length: 30 }, (_, n) => shop.emit(acme, { order, n })))
    const rows = await outbox(order)
    expect(rows.map(({ revision }) => Number(revision))).toEqual(Array.from({ length: 30 }, (_, n) => n + 1))
  })

  it('says of two serializable transactions that collide that one may be tried again', async () => {
    const order = randomUUID()
    let begun = 0
    const collide = () =>
      shop.lanes.use(acme, (db) =>
        db.transaction(
          async (tx) => {
            await tx.order.count()
            begun++
            while (begun < 2) await pause(5)
            tx.emit(Noted, { order, n: 1 })
          },
          { isolation: 'Serializable' },
        ),
      )
    const outcomes = await Promise.allSettled([collide(), collide()])
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'UNAVAILABLE', reason: 'WRITE_CONFLICT' },
    })
    expect(await outbox(order)).toHaveLength(1)
  })

  it('keeps to its own transaction, whatever else its unit of work does at the same time', async () => {
    const orders = Array.from({ length: 3 }, () => randomUUID())
    const asides = orders.map(() => randomUUID())
    await shop.lanes.use(acme, (db) =>
      Promise.allSettled(
        orders.map((order, n) =>
          db.transaction(async (tx) => {
            await tx.order.create({ data: { key: order } })
            tx.emit(Noted, { order, n })
            // Beside the transaction, in one that Prisma opens for a nested write.
            await db.order.create({ data: { key: asides[n]!, lines: { create: { position: 1, sku: 'a' } } } })
            if (n % 2) throw new Error('changed my mind')
          }),
        ),
      ),
    )
    const told = (await Promise.all(orders.map(outbox))).map((events) => events.map(({ data }) => data.n))
    expect(told).toEqual([[0], [], [2]])
    expect(await shop.lanes.use(acme, (db) => db.order.count({ where: { key: { in: asides } } }))).toBe(3)
  })

  it('leaves the connection as good as before when it fails', async () => {
    const connections = async () =>
      (await shop.database.admin(`SELECT pid FROM pg_stat_activity WHERE usename = $1 ORDER BY pid`, [
        new URL(shop.database.urls.shop!.serving).username,
      ])) as unknown[]
    const odd = () =>
      shop.lanes.use(acme, (db) =>
        db.transaction(async (tx) => {
          tx.emit({ prepare: () => ({ type: 'shop.Odd', version: 1, aggregate: 'x', data: '\u0000' }) }, {})
        }),
      )
    await expect(odd()).rejects.toThrow()
    const before = await connections()
    for (let times = 0; times < 10; times++) await expect(odd()).rejects.toThrow('Unicode') // none of 8 is kept
    expect(await connections()).toEqual(expect.arrayContaining(before)) // and none was given up
    const order = randomUUID()
    await shop.emit(acme, { order, n: 1 })
    expect(await outbox(order)).toHaveLength(1)
  })

  it('costs no round trip: it leaves together with COMMIT', async () => {
    const proxy = await startProxy(new URL(shop.database.urls.shop!.serving))
    const lanes = await openLanes({
      url: proxy.url,
      schema: 'shop',
      prisma: (adapter) => new PrismaClient({ adapter }),
      transactionConnections: 1,
    })
    const count = async (events: number) => {
      proxy.roundTrips = 0
      await lanes.use(acme, (db) =>
        db.transaction(async (tx) => {
          await tx.order.create({ data: { key: randomUUID() } })
          for (let n = 1; n <= events; n++) tx.emit(Noted, { order: randomUUID(), n })
        }),
      )
      return proxy.roundTrips
    }
    for (const events of [0, 1, 3]) await count(events)
    for (const events of [0, 1, 3]) expect(await count(events)).toBe(2)
    await lanes.close()
    proxy.close()
  })

  it('does not let two transactions wait for each other that emit of the same aggregates', async () => {
    const [a, b] = [randomUUID(), randomUUID()]
    const both = (first: string, second: string) => shop.emit(acme, { order: first, n: 1 }, { order: second, n: 1 })
    await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? both(a, b) : both(b, a))))
    expect(await outbox(a)).toHaveLength(20)
  })
})

describe('declaring an event', () => {
  const data = z.object({ order: z.string() })
  const key = ({ order }: { order: string }) => order
  it('needs an upcaster from each older version', () => {
    expect(() =>
      defineEvent('shop.Old', { version: 3, aggregate: 'order', key, data, upcast: { 1: (old) => old } }),
    ).toThrow('no upcaster from version 2')
  })
  it('needs a name with its domain', () => {
    expect(() => defineEvent('Old', { version: 1, aggregate: 'order', key, data })).toThrow('domain.WhatHappened')
  })
})

describe('the tables of events', () => {
  it('keep the rules that hold for all tables', async () => {
    const directory = new URL('../../data/test/shop/prisma', import.meta.url).pathname
    const shopSchema = { name: 'shop', directory, globalTables: { country: 'for tests of global tables' } }
    expect(await checkCatalog(shop.database.adminUrl, [shopSchema])).toEqual([])
  })

  it("show and change nobody else's rows to the role that serves a tenant", async () => {
    const order = randomUUID()
    await shop.emit(globex, { order, n: 1 })
    await shop.system.query(
      `INSERT INTO shop.inbox (tenant_id, handler, id, source, aggregate, revision, after, type, version, time, data)
       VALUES ($1, 'h', $2, 'shop', 'order/1', 1, 0, 'shop.Noted', 1, now(), '{}')`,
      [globex, randomUUID()],
    )
    await shop.system.query(
      `INSERT INTO shop.inbox_head (tenant_id, handler, source, aggregate) VALUES ($1, 'h', 'shop', 'order/1')`,
      [globex],
    )
    const serving = new pg.Client(shop.database.urls.shop!.serving)
    await serving.connect()
    try {
      for (const table of ['outbox', 'outbox_head', 'inbox', 'inbox_head']) {
        await expect(serving.query(`SELECT FROM shop.${table}`)).rejects.toThrow() // no tenant
        await serving.query('BEGIN')
        await serving.query('SELECT app.enter($1)', [acme])
        const { rows } = await serving.query(`SELECT DISTINCT tenant_id FROM shop.${table} WHERE tenant_id <> $1`, [
          acme,
        ])
        expect(rows, table).toEqual([])
        const { rowCount } = await serving.query(`UPDATE shop.${table} SET aggregate = 'mine' WHERE tenant_id = $1`, [
          globex,
        ])
        expect(rowCount, table).toBe(0)
        await serving.query('ROLLBACK')
      }
      for (const call of [
        'outbox_next(1)',
        "receive('[]')",
        "claim(ARRAY['h'], false, 1, 1, '{}', '1 s')",
        `fail('${globex}', 'h', 'shop', 'order/1', now(), 1, 'x', null)`,
        `revive('${globex}', 'h', '${randomUUID()}', true)`,
      ])
        await expect(serving.query(`SELECT shop.${call}`), call).rejects.toThrow('permission denied')
      await expect(serving.query('SELECT FROM events.delivery')).rejects.toThrow('permission denied')
    } finally {
      await serving.end()
    }
  })
})
