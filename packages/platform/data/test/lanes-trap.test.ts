/**
 * The trap that most Prisma + row security starters have, and that lanes exist to close: Prisma collects the `findUnique` calls of
 * one tick and sends them from one `process.nextTick`, in the asynchronous context of the first caller, so that a tenant kept in
 * AsyncLocalStorage is the first caller's for everybody. Two requests share a tick whenever they await the same promise.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newTenant, openShop, type Shop } from './shop/shop.ts'
import { PrismaClient } from './shop/src/generated/prisma/client.ts'

const [acme, globex] = [newTenant(), newTenant()]
const order = { [acme]: randomUUID(), [globex]: randomUUID() }
/** As Prisma itself wants it; a lane's client is typed to know its tenant. */
const byId = (tenantId: string, id: string) => ({ where: { tenantId_id: { tenantId, id } } as never })
const note = { select: { note: true } }

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
  for (const tenant of [acme, globex]) {
    await shop.lanes.use(tenant, (db) => db.order.create({ data: { id: order[tenant]!, key: 'k', note: tenant } }))
  }
})
afterAll(() => shop.close())

describe('one client for all tenants, with the tenant in AsyncLocalStorage', () => {
  const tenantOfRequest = new AsyncLocalStorage<string>()

  /** Sets the tenant of the present asynchronous context before each query, as such starters do. */
  class AmbientPool extends pg.Pool {
    override async query(config: any): Promise<any> {
      const client = await this.connect()
      try {
        await client.query('BEGIN')
        await client.query('SELECT app.enter($1)', [tenantOfRequest.getStore()])
        const result = await client.query(config)
        await client.query('COMMIT')
        return result
      } finally {
        client.release()
      }
    }
  }

  let pool: AmbientPool
  let prisma: PrismaClient
  beforeAll(() => {
    pool = new AmbientPool({ connectionString: shop.database.urls.shop!.serving })
    prisma = new PrismaClient({ adapter: new PrismaPg(pool as never, { schema: 'shop' }) })
  })
  afterAll(() => pool.end())

  it("loses a tenant's own row when both ask in the same way", async () => {
    const rows = await Promise.all([
      tenantOfRequest.run(acme, async () => prisma.order.findUnique(byId(acme, order[acme]!))),
      tenantOfRequest.run(globex, async () => prisma.order.findUnique(byId(globex, order[globex]!))),
    ])
    expect(rows.map((row) => row?.note)).toEqual([acme, undefined])
  })

  it("hands out another tenant's row when they ask in different ways", async () => {
    const rows = await Promise.all([
      tenantOfRequest.run(acme, async () => prisma.order.findUnique(byId(acme, order[acme]!))),
      tenantOfRequest.run(globex, async () => prisma.order.findUnique({ ...byId(acme, order[acme]!), ...note })),
    ])
    expect(rows[1]).toEqual({ note: acme })
  })
})

describe('lanes', () => {
  it("find each tenant's own row when both ask in the same way", async () => {
    const rows = await Promise.all(
      [acme, globex].map((tenant) =>
        shop.lanes.use(tenant, async (db) => db.order.findUnique({ where: { id: order[tenant]! } })),
      ),
    )
    expect(rows.map((row) => row?.note)).toEqual([acme, globex])
  })

  it("do not hand out another tenant's row when they ask in different ways", async () => {
    const rows = await Promise.all([
      shop.lanes.use(acme, async (db) => db.order.findUnique({ where: { id: order[acme]! } })),
      shop.lanes.use(globex, async (db) => db.order.findUnique({ where: { id: order[acme]! }, ...note })),
    ])
    expect(rows).toEqual([expect.objectContaining({ note: acme }), null])
  })

  it('keep the tenants apart in dozens of units of work that continue in the same tick', async () => {
    let go!: () => void
    const gate = new Promise<void>((resolve) => (go = resolve))
    const readings = Array.from({ length: 60 }, (_, i) => {
      const [mine, other] = i % 2 ? [acme, globex] : [globex, acme]
      return shop.lanes.use(mine, async (db) => {
        await gate
        const [own, foreign] = await Promise.all([
          db.order.findUnique({ where: { id: order[mine]! } }),
          db.order.findUnique({ where: { id: order[other]! }, ...(i % 3 ? note : {}) }),
        ])
        expect([own?.note, foreign]).toEqual([mine, null])
      })
    })
    go()
    await Promise.all(readings)
  })
})
