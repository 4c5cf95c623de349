/**
 * Two tenants do random things at the same time, on the same ids and keys, through many lanes over few connections. What each unit of
 * work sees is compared with a model that knows nothing of the other tenant.
 */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LaneTransaction } from '../src/index.ts'
import { newTenant, openShop, type Shop } from './shop/shop.ts'
import type { PrismaClient } from './shop/src/generated/prisma/client.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop({ statementConnections: 2, transactionConnections: 4 })
})
afterAll(() => shop.close())

type Db = Omit<LaneTransaction<PrismaClient>, 'emit'>
/** Key → note, of one tenant's orders in one part of the keys. */
type Model = Map<string, string>

/** The same for both tenants. */
const idOf = (key: string) =>
  createHash('md5')
    .update(key)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')

const operations: Record<string, (db: Db, model: Model, key: string, note: string) => Promise<unknown>> = {
  async create(db, model, key, note) {
    const created = db.order.create({ data: { id: idOf(key), key, note } })
    if (model.has(key)) return expect(created).rejects.toMatchObject({ code: 'P2002' })
    expect(await created).toMatchObject({ tenantId: db.tenant, note })
    model.set(key, note)
  },
  async createWithLines(db, model, key, note) {
    if (model.has(key)) return
    const lines = { create: [{ position: 1, sku: note }] }
    const created = await db.order.create({ data: { id: idOf(key), key, note, lines }, include: { lines: true } })
    expect(created.lines).toMatchObject([{ tenantId: db.tenant, sku: note }])
    model.set(key, note)
  },
  async upsert(db, model, key, note) {
    await db.order.upsert({ where: { key }, create: { id: idOf(key), key, note }, update: { note } })
    model.set(key, note)
  },
  async update(db, model, key, note) {
    const { count } = await db.order.updateMany({ where: { id: idOf(key) }, data: { note } })
    expect(count).toBe(model.has(key) ? 1 : 0)
    if (count) model.set(key, note)
  },
  async find(db, model, key) {
    const [byId, byKey] = await Promise.all([
      db.order.findUnique({ where: { id: idOf(key) } }),
      db.order.findUnique({ where: { key }, select: { note: true } }),
    ])
    expect([byId?.note, byKey?.note]).toEqual([model.get(key), model.get(key)])
  },
  async list(db, model, key) {
    const found = await db.order.findMany({ where: { key: { startsWith: part(key) } }, include: { lines: true } })
    expect(new Map(found.map((order) => [order.key, order.note]))).toEqual(model)
    for (const line of found.flatMap(({ lines }) => lines)) expect(line.tenantId).toBe(db.tenant)
  },
  async countRaw(db, model, key) {
    const rows = await db.$queryRaw`select count(*)::int as n from shop."order" where key like ${`${part(key)}%`}`
    expect(rows).toEqual([{ n: model.size }])
  },
  async remove(db, model, key) {
    await db.orderLine.deleteMany({ where: { order: { key } } })
    const { count } = await db.order.deleteMany({ where: { key } })
    expect(count).toBe(model.delete(key) ? 1 : 0)
  },
  async fail(db) {
    await expect(db.$queryRaw`select 1 / 0`).rejects.toThrow()
  },
}

const part = (key: string) => key.slice(0, key.indexOf(':') + 1)

const unit = fc.record({
  tenant: fc.nat({ max: 1 }),
  how: fc.constantFrom('alone', 'alone', 'committed', 'rolled back'),
  steps: fc.array(
    fc.record({ operation: fc.constantFrom(...Object.keys(operations)), key: fc.nat({ max: 2 }), note: fc.nat() }),
    { minLength: 1, maxLength: 5 },
  ),
})

it('each tenant sees what it would see if it were alone', { timeout: 30_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(unit, { minLength: 4, maxLength: 24 }), async (units) => {
      const tenants = [newTenant(), newTenant()]
      const everything = tenants.map(() => new Map<string, string>())
      const work = units.map(({ tenant, how, steps }, i) =>
        shop.lanes.use(tenants[tenant]!, async (db) => {
          const model: Model = new Map()
          async function run(handle: Db) {
            for (const { operation, key, note } of steps) {
              const mayFail = operation === 'fail' || (operation === 'create' && model.has(`${i}:${key}`))
              if (how !== 'alone' && mayFail) continue // ends a transaction
              await operations[operation]!(handle, model, `${i}:${key}`, `${note}`)
            }
          }
          if (how === 'alone') await run(db)
          else if (how === 'committed') await db.transaction(run)
          else {
            const undo = new Error('undo')
            await expect(db.transaction((tx) => run(tx).then(() => Promise.reject(undo)))).rejects.toBe(undo)
            model.clear()
          }
          for (const [key, note] of model) everything[tenant]!.set(key, note)
        }),
      )
      await Promise.all(work)
      for (const [tenant, expected] of everything.entries()) {
        const found = await shop.lanes.use(tenants[tenant]!, (db) => db.order.findMany())
        expect(new Map(found.map(({ key, note }) => [key, note]))).toEqual(expected)
      }
    }),
    { numRuns: 15 },
  )
})
