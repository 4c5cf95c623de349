import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lane } from '../src/index.ts'
import { isUniqueViolation } from '../src/index.ts'
import { startProxy } from './shop/proxy.ts'
import { newTenant, openShop, type Shop, shopLanes } from './shop/shop.ts'
import { Prisma, type PrismaClient } from './shop/src/generated/prisma/client.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.close())

/** Two tenants that look the same: each has an order with the same id, the same key and the same lines, and one of its own. */
async function twins() {
  const [ours, theirs] = [newTenant(), newTenant()]
  const id = randomUUID()
  const own = { [ours]: randomUUID(), [theirs]: randomUUID() }
  for (const tenant of [ours, theirs]) {
    await shop.lanes.use(tenant, async (db) => {
      const lines = { create: [1, 2].map((position) => ({ position, sku: `sku-${position}` })) }
      await db.order.create({ data: { id, key: 'same', note: tenant, lines } })
      await db.order.create({ data: { id: own[tenant], key: `of ${tenant}`, note: tenant } })
    })
  }
  shop.sent.length = 0
  return { ours, theirs, id, foreignId: own[theirs]! }
}

/** What `tenant` has, read on its own. */
const all = (tenant: string) =>
  shop.lanes.use(tenant as never, (db) => db.order.findMany({ include: { lines: true }, orderBy: { key: 'asc' } }))

describe('a lane', () => {
  let tenants: Awaited<ReturnType<typeof twins>>
  let theirsBefore: unknown
  beforeEach(async () => {
    tenants = await twins()
    theirsBefore = await all(tenants.theirs)
    shop.sent.length = 0
  })
  const inLane = <T>(work: (db: Lane<PrismaClient>) => Promise<T>) => shop.lanes.use(tenants.ours, work)

  async function othersUntouched() {
    for (const { sql, tenant } of shop.sent) {
      expect(tenant).toBe(tenants.ours)
      if (!/^(COMMIT|ROLLBACK|BEGIN)/.test(sql)) expect(sql).toContain('tenant_id')
    }
    expect(await all(tenants.theirs)).toEqual(theirsBefore)
  }

  it('reads its own tenant only, whatever it is asked', async () => {
    const { ours, id, foreignId } = tenants
    await inLane(async (db) => {
      expect((await db.order.findUnique({ where: { id } }))?.note).toBe(ours)
      expect((await db.order.findUniqueOrThrow({ where: { key: 'same' } })).note).toBe(ours)
      expect(await db.order.findUnique({ where: { id: foreignId } })).toBeNull()
      expect(await db.order.findUnique({ where: { id, note: 'another' } })).toBeNull()
      expect((await db.order.findUnique({ where: { id, key: 'same', note: ours } }))?.note).toBe(ours)
      const noKey = [{ id: { not: id } }, { id: undefined }, { note: ours }, { tenantId_id: { id: undefined } }, {}]
      for (const where of noKey) await expect(db.order.findUnique({ where } as never)).rejects.toThrow(/Invalid/)
      await expect(db.order.findUniqueOrThrow({ where: { id: foreignId } })).rejects.toMatchObject({ code: 'P2025' })
      expect(await db.order.findFirst({ where: { id: foreignId } })).toBeNull()
      await expect(db.order.findFirstOrThrow({ where: { id: foreignId } })).rejects.toMatchObject({ code: 'P2025' })
      expect(await db.order.findMany()).toHaveLength(2)
      expect(await db.order.findMany({ where: { OR: [{ id }, { id: foreignId }] } })).toHaveLength(1)
      expect(await db.order.findMany({ where: { NOT: { id } } })).toHaveLength(1)
      expect(await db.order.findMany({ cursor: { id }, orderBy: { id: 'asc' } })).toContainEqual(
        expect.objectContaining({ id, note: ours }),
      )
      expect(await db.order.findMany({ cursor: { id: foreignId }, orderBy: { id: 'asc' } })).toEqual([])
      expect(await db.order.count()).toBe(2)
      expect(await db.order.aggregate({ _count: true, _max: { note: true } })).toEqual({
        _count: 2,
        _max: { note: ours },
      })
      expect(await db.order.groupBy({ by: ['note'], _count: { _all: true } })).toEqual([
        { note: ours, _count: { _all: 2 } },
      ])
      expect(
        await db.orderLine.findUnique({ where: { tenantId_orderId_position: { orderId: id, position: 1 } } }),
      ).toMatchObject({ tenantId: ours, sku: 'sku-1' })
    })
    await othersUntouched()
  })

  it('reads related rows of its own tenant only, at every level', async () => {
    const { ours, id } = tenants
    await inLane(async (db) => {
      const order = await db.order.findUnique({
        where: { id },
        include: { lines: { include: { order: { include: { lines: true } } } }, _count: { select: { lines: true } } },
      })
      expect(order!._count.lines).toBe(2)
      expect(order!.lines.map((line) => [line.tenantId, line.order.note, line.order.lines.length])).toEqual([
        [ours, ours, 2],
        [ours, ours, 2],
      ])
      expect(await db.order.findMany({ where: { lines: { some: { sku: 'sku-1' } } }, select: { note: true } })).toEqual(
        [{ note: ours }],
      )
      expect(await db.order.count({ where: { lines: { none: {} } } })).toBe(1)
      expect(await db.order.count({ where: { lines: { every: { sku: 'sku-1' } } } })).toBe(1)
      expect(await db.orderLine.count({ where: { order: { note: ours } } })).toBe(2)
      expect(await db.orderLine.count({ where: { order: { is: { note: tenants.theirs } } } })).toBe(0)
      expect(await db.orderLine.count({ where: { order: { isNot: { note: tenants.theirs } } } })).toBe(2)
      expect(await db.orderLine.findMany({ orderBy: { order: { note: 'asc' } } })).toHaveLength(2)
      expect(await db.order.findUnique({ where: { id } }).then((found) => found?.note)).toBe(ours)
    })
    await othersUntouched()
  })

  it('writes its own tenant only, whatever it is asked', async () => {
    const { ours, id, foreignId } = tenants
    await inLane(async (db) => {
      expect(await db.order.update({ where: { id }, data: { note: 'new' } })).toMatchObject({ tenantId: ours })
      await expect(db.order.update({ where: { id: foreignId }, data: { note: 'x' } })).rejects.toMatchObject({
        code: 'P2025',
      })
      expect(await db.order.updateMany({ where: { id: foreignId }, data: { note: 'x' } })).toEqual({ count: 0 })
      expect(await db.order.updateMany({ data: { note: 'all' } })).toEqual({ count: 2 })
      expect(await db.order.updateManyAndReturn({ data: { note: 'all' } })).toHaveLength(2)
      const upserted = await db.order.upsert({
        where: { key: 'same' },
        create: { key: 'same' },
        update: { note: 'upserted' },
      })
      expect(upserted).toMatchObject({ tenantId: ours, id })
      const inserted = await db.order.upsert({
        where: { id: foreignId },
        create: { id: foreignId, key: 'mine' },
        update: { note: 'theirs?' },
      })
      expect(inserted).toMatchObject({ tenantId: ours, id: foreignId, note: '' })
      await db.order.createMany({ data: [{ key: 'a' }, { key: 'b' }] })
      const returned = await db.order.createManyAndReturn({ data: [{ key: 'c' }] })
      expect(returned[0]!.tenantId).toBe(ours)
      const nested = await db.order.create({
        data: { key: 'd', lines: { createMany: { data: [{ position: 1, sku: 'x' }] } } },
        include: { lines: true },
      })
      expect(nested.lines[0]!.tenantId).toBe(ours)
      const line = await db.orderLine.create({ data: { position: 9, sku: 'connected', order: { connect: { id } } } })
      expect(line.tenantId).toBe(ours)
      const made = await db.orderLine.create({
        data: {
          position: 1,
          sku: 'x',
          order: { connectOrCreate: { where: { key: 'new' }, create: { key: 'new' } } },
        },
        include: { order: true },
      })
      expect(made.order.tenantId).toBe(ours)
      await db.orderLine.create({ data: { orderId: id, position: 10, sku: 'plain' } })
      await db.order.update({
        where: { id },
        data: {
          lines: {
            update: { where: { tenantId_orderId_position: { orderId: id, position: 1 } }, data: { sku: 'u' } },
            updateMany: { where: { position: 2 }, data: { sku: 'um' } },
            upsert: {
              where: { tenantId_orderId_position: { orderId: id, position: 3 } },
              create: { position: 3, sku: 'up' },
              update: {},
            },
            delete: { tenantId_orderId_position: { orderId: id, position: 9 } },
            deleteMany: { position: 10 },
          },
        },
      })
      expect(
        (await db.orderLine.findMany({ where: { orderId: id }, orderBy: { position: 'asc' } })).map(({ sku }) => sku),
      ).toEqual(['u', 'um', 'up'])
      await db.orderLine.deleteMany()
      await expect(db.order.delete({ where: { id: randomUUID() } })).rejects.toMatchObject({ code: 'P2025' })
      await db.order.delete({ where: { id } })
      await db.order.deleteMany()
      expect(await db.order.count()).toBe(0)
    })
    await othersUntouched()
  })

  it("cannot connect a row to another tenant's", async () => {
    const { foreignId } = tenants
    await inLane(async (db) => {
      await expect(
        db.orderLine.create({ data: { position: 1, sku: 'x', order: { connect: { id: foreignId } } } }),
      ).rejects.toMatchObject({ code: 'P2025' })
      await expect(db.orderLine.create({ data: { orderId: foreignId, position: 1, sku: 'x' } })).rejects.toMatchObject({
        code: 'P2003',
      })
    })
    await othersUntouched()
  })

  it('answers raw SQL that names no tenant with its own rows', async () => {
    await inLane(async (db) => {
      expect(await db.$queryRaw`select distinct note from shop."order"`).toEqual([{ note: tenants.ours }])
      expect(await db.$queryRaw`select note from shop."order" where tenant_id = ${tenants.theirs}::uuid`).toEqual([])
      expect(await db.$executeRaw`delete from shop.order_line`).toBe(2)
      expect(await db.$executeRaw(Prisma.sql`update shop."order" set note = ${'x'}`)).toBe(2)
      await expect(
        db.$executeRaw`insert into shop."order" (tenant_id, id, key) values (${tenants.theirs}::uuid, ${randomUUID()}::uuid, 'k')`,
      ).rejects.toThrow(/row-level security/)
    })
    expect(await all(tenants.theirs)).toEqual(theirsBefore)
  })

  it('sends no raw SQL that would change the session for whoever uses it next', async () => {
    const { theirs } = tenants
    const refused = /session/
    await inLane(async (db) => {
      for (const sql of [
        'begin',
        ' SET app.tenant_id = 1',
        'commit',
        'listen x',
        `select set_config('app.tenant_id', '${theirs}', false)`,
        `select app.enter('${theirs}')`,
        'select pg_advisory_lock(1)',
        'with x as (select set_config($$app.tenant_id$$, $$x$$, true)) select * from shop."order"',
      ]) {
        await expect(db.$queryRaw(Prisma.raw(sql)), sql).rejects.toThrow(refused)
        await expect(db.$executeRaw(Prisma.raw(sql)), sql).rejects.toThrow(refused)
      }
    })
    expect(shop.sent).toEqual([])
  })

  it('reads global tables, and writes them', async () => {
    await inLane(async (db) => {
      const code = randomUUID()
      await db.country.create({ data: { code, name: 'Freedonia' } })
      expect(await db.country.findUnique({ where: { code } })).toEqual({ code, name: 'Freedonia' })
      await db.country.deleteMany()
    })
  })

  it('tells which row was in the way of a unique key', async () => {
    await inLane(async (db) => {
      const failure = await db.order.create({ data: { key: 'same' } }).catch((error) => error)
      expect(isUniqueViolation(failure)).toBe(true)
      expect(isUniqueViolation(failure, 'key')).toBe(true)
      expect(isUniqueViolation(failure, 'note')).toBe(false)
      expect(isUniqueViolation(failure, 'order')).toBe(false)
    })
  })
})

describe('what cannot be stored', () => {
  const tenant = newTenant()

  it.each([
    ['NUL in a text', 'P2039', (db: Lane<PrismaClient>) => db.order.create({ data: { key: 'a\0b' } })],
    ['an id that is no UUID', 'P2007', (db: Lane<PrismaClient>) => db.order.findUnique({ where: { id: "' or ''='" } })],
    [
      'a number out of range',
      'P2020',
      (db: Lane<PrismaClient>) => db.orderLine.count({ where: { position: 2 ** 31 } }),
    ],
    ['SQL that does not parse', 'P2010', (db: Lane<PrismaClient>) => db.$queryRaw`select from from`],
  ])('%s is an error of that statement alone', async (_, code, work) => {
    await shop.lanes.use(tenant, async (db) => {
      const neighbours = Promise.all(Array.from({ length: 20 }, () => db.order.count()))
      await expect(work(db)).rejects.toMatchObject({ code })
      expect(await neighbours).toEqual(Array(20).fill(0))
    })
  })

  it('the error does not quote the row', async () => {
    await shop.lanes.use(tenant, async (db) => {
      const admin = new pg.Client(shop.database.adminUrl)
      await admin.connect()
      await admin.query(`alter table shop.country add constraint brief check (length(name) < 100)`)
      await admin.end()
      // A global table: of a table with row security PostgreSQL itself quotes nothing.
      const violation = await db.country
        .create({ data: { code: 'secret', name: 'n'.repeat(100) } })
        .catch((error) => error)
      expect(violation.code).toMatch(/^P/)
      expect(JSON.stringify([violation, violation.message])).not.toContain('secret')
    })
  })

  it('large values pass', async () => {
    await shop.lanes.use(tenant, async (db) => {
      const note = 'ä'.repeat(5 << 20)
      const { id } = await db.order.create({ data: { key: 'large', note } })
      const [found] = await Promise.all([db.order.findUnique({ where: { id } }), db.order.count()])
      expect(found!.note === note).toBe(true)
    })
  })
})

describe('opening lanes', () => {
  it('refuses a tenant that is no UUID in lower case, which the database would not echo', () => {
    for (const tenant of ['', 'acme', randomUUID().toUpperCase(), undefined, null]) {
      expect(() => shop.lanes.open(tenant as never)).toThrow(/tenant/)
    }
  })

  it('says UNAVAILABLE when the database is down', async () => {
    await expect(shopLanes('postgres://nobody@127.0.0.1:1/nothing')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('names what is wrong with a URL', async () => {
    const url = new URL(shop.database.urls.shop!.serving)
    url.username = 'nobody_of_that_name'
    await expect(shopLanes(url.href)).rejects.toThrow(/nobody_of_that_name/)
  })
})

describe('the global client', () => {
  it('reads global tables, and is refused every tenant table', async () => {
    expect(await shop.lanes.global.country.findMany()).toEqual([])
    await expect(shop.lanes.global.order.findMany()).rejects.toThrow()
    await expect(shop.lanes.global.order.count()).rejects.toThrow()
  })
})

describe('revoking a lane', () => {
  const [ours, theirs] = [newTenant(), newTenant()]
  const revoked = /revoked/
  beforeAll(async () => {
    for (const tenant of [ours, theirs]) {
      await shop.lanes.use(tenant, (db) => db.order.create({ data: { key: 'k', note: tenant } }))
    }
  })

  it('ends everything that was kept of it', async () => {
    const lease = shop.lanes.open(ours)
    const { lane } = lease
    const { order } = lane
    const find = () => order.findMany()
    await find()
    lease.close()
    await expect(find()).rejects.toThrow(revoked)
    await expect(lane.order.count()).rejects.toThrow(revoked)
    await expect(lane.$queryRaw`select 1`).rejects.toThrow(revoked)
    await expect(lane.transaction(async (tx) => tx.order.count())).rejects.toThrow(revoked)
    lease.close()
  })

  it('stays so when the next tenant uses the same client', async () => {
    const kept = await shop.lanes.use(ours, async (db) => db)
    await shop.lanes.use(theirs, async (db) => {
      await db.order.count()
      await expect(kept.order.findMany()).rejects.toThrow(revoked)
      expect(await db.order.findMany()).toMatchObject([{ note: theirs }])
    })
  })

  it('an operation begins when it is called, not when it is awaited', async () => {
    await shop.lanes.use(ours, async (db) => {
      shop.sent.length = 0
      const reading = db.order.findMany()
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(shop.sent).toHaveLength(1)
      expect(await reading).toHaveLength(1)
    })
  })

  it('an operation that was not awaited reads its own rows or fails, and the client it runs in is not used again', async () => {
    const outcomes: Promise<unknown>[] = []
    for (let i = 0; i < 20; i++) {
      const [mine, other] = i % 2 ? [ours, theirs] : [theirs, ours]
      const lease = shop.lanes.open(mine)
      // Several statements: what follows the first one runs after the lane was handed back.
      const late = lease.lane.order.create({
        data: { key: `late ${i}`, lines: { create: { position: 1, sku: 'x' } } },
        include: { lines: true },
      })
      if (i % 3) await new Promise(setImmediate)
      lease.close()
      outcomes.push(
        late.catch((error) => expect(String(error)).toMatch(/revoked|terminated|UNAVAILABLE|not available/)),
      )
      await shop.lanes.use(other, async (db) => {
        const rows = await db.order.findMany({ include: { lines: true } })
        expect(new Set(rows.map((row) => row.tenantId))).toEqual(new Set([other]))
      })
    }
    await Promise.all(outcomes)
  })

  it('stops an operation between two of its statements', async () => {
    await shop.lanes.use(ours, (db) =>
      db.order.create({ data: { key: 'lined', lines: { create: { position: 1, sku: 'x' } } } }),
    )
    const lease = shop.lanes.open(ours)
    await lease.lane.order.count()
    shop.sent.length = 0
    const late = expect(lease.lane.order.findMany({ include: { lines: true } })).rejects.toThrow(revoked)
    while (shop.sent.length === 0) await new Promise(setImmediate)
    lease.close()
    await late
    expect(shop.sent).toHaveLength(1)
  })

  it('is told apart from an empty answer: nothing is sent', async () => {
    const lane = await shop.lanes.use(ours, async (db) => db)
    shop.sent.length = 0
    await lane.order.findMany().catch(() => {})
    expect(shop.sent).toEqual([])
  })
})

describe('statements that share a connection', () => {
  /** Lanes of their own, and how many connections they have made. */
  async function freshLanes(statementConnections: number) {
    const [began] = await shop.database.admin<{ now: Date }>('select clock_timestamp() as now')
    const lanes = await shopLanes(shop.database.urls.shop!.serving, { statementConnections })
    async function made() {
      const [found] = await shop.database.admin<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity
         where datname = current_database() and application_name = 'offshoot shop' and backend_start > $1`,
        [began!.now],
      )
      return found!.n
    }
    return { lanes, made }
  }

  it('have one at the start, and others when they would have to share', async () => {
    const { lanes, made } = await freshLanes(4)
    const read = () => lanes.use(newTenant(), (db) => db.order.count())
    for (let i = 0; i < 5; i++) await read()
    expect(await made()).toBe(1)
    await Promise.all(Array.from({ length: 20 }, read))
    await expect.poll(made).toBe(4)
    await Promise.all(Array.from({ length: 200 }, read))
    expect(await made()).toBe(4)
    await lanes.close()
  })

  it('fail alone: two tenants read and write while a third one fails in every way', async () => {
    const lanes = await shopLanes(shop.database.urls.shop!.serving, { statementConnections: 1 })
    const [a, b, c] = [newTenant(), newTenant(), newTenant()]
    await Promise.all([a, b, c].map((tenant) => lanes.use(tenant, (db) => db.order.create({ data: { key: 'k' } }))))
    const failures: ((db: Lane<PrismaClient>) => Promise<unknown>)[] = [
      (db) => db.order.create({ data: { key: 'k' } }),
      (db) => db.order.create({ data: { key: 'nul \0' } }),
      (db) => db.order.findUnique({ where: { id: 'none' } }),
      (db) => db.$queryRaw`select from from`,
      (db) => db.$queryRaw`select 1 / 0`,
      (db) =>
        db.$executeRaw`insert into shop."order" (tenant_id, id, key) values (${a}::uuid, ${randomUUID()}::uuid, 'x')`,
    ]
    const work = Array.from({ length: 60 }, (_, i) => {
      const tenant = i % 2 ? a : b
      if (i % 10 === 3) return lanes.use(c, (db) => expect(failures[((i / 10) % 6) | 0]!(db)).rejects.toThrow())
      return lanes.use(tenant, async (db) => {
        const { id } = await db.order.create({ data: { key: `k${i}`, note: tenant } })
        expect(await db.order.findUnique({ where: { id } })).toMatchObject({ tenantId: tenant, key: `k${i}` })
      })
    })
    await Promise.all(work)
    expect(await lanes.use(c, (db) => db.order.count())).toBe(1)
    await lanes.close()
  })

  it('are sent again when a neighbour took their preparation along', async () => {
    const lanes = await shopLanes(shop.database.urls.shop!.serving, { statementConnections: 1 })
    const tenant = newTenant()
    await lanes.use(tenant, async (db) => {
      const sql = `select count(*)::int as n from shop.arriving where tenant_id = '${tenant}'`
      const early = Array.from({ length: 8 }, () => db.$queryRaw(Prisma.raw(sql)).catch(String))
      for (const failure of await Promise.all(early)) expect(failure).toMatch(/42P01/)
      const admin = new pg.Client(shop.database.adminUrl)
      await admin.connect()
      await admin.query('create view shop.arriving with (security_invoker) as select * from shop."order"')
      await admin.query(`grant select on shop.arriving to "${new URL(shop.database.urls.shop!.serving).username}"`)
      await admin.end()
      const late = Array.from({ length: 8 }, () => db.$queryRaw(Prisma.raw(sql)))
      expect(await Promise.all(late)).toEqual(Array(8).fill([{ n: 0 }]))
    })
    await lanes.close()
  })

  it('are ended by the database when they take too long, and hold up nobody on other connections', async () => {
    const [a, b] = [newTenant(), newTenant()]
    const lanes = await shopLanes(shop.database.urls.shop!.serving, { statementConnections: 2 })
    const began = performance.now()
    let ended = false
    const long = expect(
      lanes.use(a, (db) => db.$queryRaw`select pg_sleep(30)::text`).finally(() => (ended = true)),
    ).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    await Promise.all(Array.from({ length: 50 }, () => lanes.use(b, (db) => db.order.count())))
    expect(ended).toBe(false)
    await long
    expect(performance.now() - began).toBeLessThan(20_000)
    await lanes.close()
  })

  it("find room beside another tenant's long ones, however many wait", async () => {
    const [a, b] = [newTenant(), newTenant()]
    const connections = 4
    const { lanes, made } = await freshLanes(connections)
    await expect
      .poll(async () => {
        await Promise.all(Array.from({ length: connections }, () => lanes.use(b, (db) => db.order.count())))
        return made()
      })
      .toBe(connections)
    await lanes.use(a, async (greedy) => {
      let finished = 0
      const long = [1, 2, 3].map(() => greedy.$queryRaw`select pg_sleep(1.5)::text`.then(() => finished++))
      await new Promise((resolve) => setTimeout(resolve, 100))
      const waiting = Array.from({ length: 50 }, () => greedy.order.count().catch((error) => error.code))
      for (let i = 0; i < 5; i++) await lanes.use(b, (db) => db.order.count())
      expect(finished).toBe(0)
      expect(new Set(await Promise.all(waiting))).toEqual(new Set(['UNAVAILABLE'])) // after a second, not for ever
      await Promise.all(long)
    })
    await lanes.close()
  })
})

describe('the echo of the tenant', () => {
  it('a connection that answers for another tenant is destroyed, and nobody gets what it answered', async () => {
    const [a, b] = [newTenant(), newTenant()]
    const secret = await shop.lanes.use(b, (db) => db.order.create({ data: { key: 'k', note: 'of b' } }))
    const proxy = await startProxy(new URL(shop.database.urls.shop!.serving))
    const lanes = await shopLanes(proxy.url, { statementConnections: 1 })
    await lanes.use(a, (db) => db.order.count())
    // From now on whatever is asked for a, is asked for b: what a connection whose answers had shifted would look like.
    proxy.rewrite = (message) => Buffer.from(message.toString('latin1').replaceAll(a, b), 'latin1')
    const stolen = Promise.allSettled([
      lanes.use(a, (db) => db.order.findMany()),
      lanes.use(a, (db) => db.order.findUnique({ where: { id: secret.id } })),
      lanes.use(b, (db) => db.order.findMany()),
      lanes.use(a, (db) => db.transaction((tx) => tx.order.findMany())),
    ])
    for (const outcome of await stolen) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } })
    }
    await expect.poll(() => proxy.ended).toBeGreaterThanOrEqual(2)
    proxy.rewrite = undefined
    expect(await lanes.use(b, (db) => db.order.count())).toBe(1)
    expect(await lanes.use(a, (db) => db.order.count())).toBe(0)
    await lanes.close()
    proxy.close()
  })
})
