import { catalog } from '@offshoot/catalog/contract'
import type { Order } from '@offshoot/orders/contract'
import { tenantId, userId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { insights } from '../src/contract.ts'
import { openWorld, type Shop, type World } from './world.ts'

let world: World
let acme: Shop
let globex: Shop
beforeAll(async () => {
  world = await openWorld()
  acme = world.shop('acme')
  globex = world.shop('globex')
})
afterAll(() => world.app.stop())

const today = () => new Date().toISOString().slice(0, 10)
/** Ten at a time. */
async function all<T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  while (results.length < count) {
    const some = Array.from({ length: Math.min(10, count - results.length) }, (_, i) => work(results.length + i))
    results.push(...(await Promise.all(some)))
  }
  return results
}

const revenueToday = (shop: Shop) => shop.insights.revenueByDay({ from: today(), to: today() })

describe('an order', () => {
  it('is shown with customer, products and where it stands, and counted once it is confirmed', async () => {
    const [pen, ink] = [await acme.product(250), await acme.product(1_999)]
    const { id, createdAt } = await acme.place([
      [ink, 2],
      [pen, 10],
    ])
    await world.settled()
    const { items } = await acme.insights.orderOverview({ first: 1 })
    expect(items).toEqual([
      {
        id,
        status: 'CONFIRMED',
        customer: userId('owner@acme.test'),
        productNames: [ink.name, pen.name],
        total: { minor: 6_498, currency: 'EUR' },
        cancelReason: null,
        placedAt: expect.any(String),
        updatedAt: expect.any(String),
      },
    ])
    expect(Math.abs(Date.parse(items[0]!.placedAt!) - Date.parse(createdAt))).toBeLessThan(1_000)
    expect(await revenueToday(acme)).toEqual([{ day: today(), amount: { minor: 6_498, currency: 'EUR' }, orders: 1 }])
    expect(await acme.insights.topProducts({ first: 1 })).toEqual([
      { product: pen.id, sku: pen.sku, name: pen.name, unitsSold: 10, revenue: [{ minor: 2_500, currency: 'EUR' }] },
    ])
  })

  it('that is cancelled after it was confirmed no longer counts, on the day on which it was confirmed', async () => {
    const before = await acme.shown()
    const pen = await acme.product(100, 'USD')
    const { id } = await acme.place([[pen, 3]])
    await world.settled()
    expect(await revenueToday(acme)).toContainEqual({
      day: today(),
      amount: { minor: 300, currency: 'USD' },
      orders: 1,
    })
    await acme.orders.cancel({ id })
    await world.settled()
    const { orders, ...counted } = await acme.shown()
    expect(orders[0]).toMatchObject({ id, status: 'CANCELLED', cancelReason: 'customer' })
    expect(counted).toEqual({ revenue: before.revenue, products: before.products })
    expect(await acme.insights.salesOfProducts({ ids: [pen.id] })).toEqual([
      { product: pen.id, unitsSold: 0, revenue: [] },
    ])
  })

  it.each([
    ['that cannot be paid', 'pm_declined', 10_000, 'payment-failed'],
    ['for more than there is', 'pm_ok', 1, 'out-of-stock'],
  ])('%s never counts', async (_, paymentMethod, stock, cancelReason) => {
    const before = await acme.shown()
    await acme.place([[await acme.product(500, 'EUR', stock), 2]], paymentMethod)
    await world.settled()
    const { orders, ...counted } = await acme.shown()
    expect(orders[0]).toMatchObject({ status: 'CANCELLED', cancelReason })
    expect(counted).toEqual({ revenue: before.revenue, products: before.products })
  })
})

describe('the projections', () => {
  it('follow within 5 s', async () => {
    const [pen] = [await acme.product()]
    const { id } = await acme.place([[pen, 1]])
    const status = async () => (await acme.orders.getMany({ ids: [id] }))[0]!.status
    await expect.poll(status, { timeout: 5_000, interval: 10 }).toBe('CONFIRMED')
    const sold = async () => (await acme.insights.salesOfProducts({ ids: [pen.id] }))[0]!.unitsSold
    await expect.poll(sold, { timeout: 5_000, interval: 10 }).toBe(1)
  })

  it('equal what is worked out from the orders, after many at once, in several currencies, some of them cancelled', async () => {
    const products = [await acme.product(199), await acme.product(4_950), await acme.product(1)]
    const dollars = [await acme.product(700, 'USD')]
    const placed = await all(20, (i) => {
      const some = i % 5 === 4 ? dollars : products.slice(0, 1 + (i % 3))
      return acme.place(
        some.map((product, line) => [product, 1 + ((i + line) % 4)]),
        i % 7 === 6 ? 'pm_declined' : 'pm_ok',
      )
    })
    const cancel = (which: Order[]) => all(which.length, (i) => acme.orders.cancel({ id: which[i]!.id }))
    await cancel(placed.filter((_, i) => i % 6 === 0))
    await world.settled()
    await cancel(placed.filter((_, i) => i % 6 === 1))
    await world.settled()
    const shown = await acme.shown()
    expect(shown).toEqual(await acme.expected())
    const top = await acme.insights.topProducts({ first: 100 })
    expect(Object.fromEntries(top.map(({ product, unitsSold }) => [product, unitsSold]))).toEqual(
      Object.fromEntries(Object.entries(shown.products).map(([product, { unitsSold }]) => [product, unitsSold])),
    )
    expect(top).toEqual(top.toSorted((a, b) => b.unitsSold - a.unitsSold))
    expect(shown.revenue).toMatchObject({ EUR: expect.anything(), USD: expect.anything() })
  })

  it('stay as they are when everything is delivered two times more', async () => {
    const shown = await acme.shown()
    for (let again = 0; again < 2; again++) await world.deliverAgain()
    expect(await acme.shown()).toEqual(shown)
  })

  it('are the tenant’s own', async () => {
    const shown = await acme.shown()
    const [pen] = [await globex.product(777)]
    await globex.place([[pen, 5]])
    await world.settled()
    expect(await globex.shown()).toEqual(await globex.expected())
    expect((await globex.shown()).orders).toHaveLength(1)
    expect(await acme.shown()).toEqual(shown)
    expect(await acme.insights.salesOfProducts({ ids: [pen.id] })).toEqual([
      { product: pen.id, unitsSold: 0, revenue: [] },
    ])
    const [theirs] = (await globex.insights.orderOverview({ first: 1 })).items
    const after = await acme.insights.orderOverview({ first: 100, after: theirs!.id })
    expect(after.items.map(({ id }) => id)).not.toContain(theirs!.id)
  })

  it('are for owners and admins', async () => {
    const member = world.app.client(insights, { role: 'member' })
    const refusal = { code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' }
    await expect(member.orderOverview({ first: 1 })).rejects.toMatchObject(refusal)
    await expect(member.revenueByDay({ from: today(), to: today() })).rejects.toMatchObject(refusal)
    await expect(member.topProducts({ first: 1 })).rejects.toMatchObject(refusal)
    await expect(member.salesOfProducts({ ids: [] })).rejects.toMatchObject(refusal)
    await expect(member.lag({})).rejects.toMatchObject(refusal)
  })

  it('keep the name under which a product was sold last', async () => {
    const pen = await acme.product(10)
    await acme.place([[pen, 9_000]])
    await world.settled()
    await world.app.client(catalog).update({ id: pen.id, name: 'Renamed' })
    expect((await acme.insights.topProducts({ first: 1 }))[0]).toMatchObject({ product: pen.id, name: pen.name })
    await acme.place([[pen, 1]])
    await world.settled()
    expect((await acme.insights.topProducts({ first: 1 }))[0]).toMatchObject({ name: 'Renamed', unitsSold: 9_001 })
  })
})

describe('what is asked for', () => {
  it('can be narrowed by status and is read page by page', async () => {
    const all = (await acme.insights.orderOverview({ first: 100 })).items
    const cancelled = all.filter(({ status }) => status === 'CANCELLED')
    expect((await acme.insights.orderOverview({ first: 100, status: 'CANCELLED' })).items).toEqual(cancelled)
    expect(await acme.insights.orderOverview({ first: 2, after: all[0]!.id })).toEqual({
      items: all.slice(1, 3),
      more: true,
    })
  })

  it.each([
    ['from after to', { from: '2026-02-02', to: '2026-02-01' }],
    ['more than 366 days', { from: '2026-01-01', to: '2027-01-02' }],
    ['a day that does not exist', { from: '2026-02-30', to: '2026-03-01' }],
  ])('is refused: %s', async (_, range) => {
    await expect(acme.insights.revenueByDay(range)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      reason: 'INVALID_INPUT',
    })
  })

  it('costs as many statements for many as for few, each for the tenant', async () => {
    const ids = (await acme.insights.topProducts({ first: 100 })).map(({ product }) => product)
    const calls: [number, (n: number) => Promise<unknown>][] = [
      [1, (first) => acme.insights.orderOverview({ first })],
      [1, (n) => acme.insights.revenueByDay({ from: n === 1 ? today() : '2026-01-01', to: '2026-12-31' })],
      [2, (first) => acme.insights.topProducts({ first })],
      [2, (first) => acme.insights.salesOfProducts({ ids: ids.slice(0, first) })],
      [1, () => acme.insights.lag({})],
    ]
    for (const [statements, call] of calls)
      for (const n of [1, 50]) {
        world.app.statements.length = 0
        await call(n)
        expect(world.app.statements).toHaveLength(statements)
        for (const { sql, tenant } of world.app.statements) {
          expect(tenant).toBe(tenantId('acme'))
          expect(sql).toContain('tenant_id')
        }
      }
  })
})

describe('the lag', () => {
  it('is nothing when all that arrived is counted, and the age of the oldest event while one cannot be', async () => {
    expect(await acme.insights.lag({})).toEqual({ seconds: 0, waiting: 0 })
    await world.app.database.admin('ALTER TABLE insights.order_overview ADD CONSTRAINT broken CHECK (false) NOT VALID')
    await acme.place([[await acme.product(), 1]])
    await expect.poll(() => acme.insights.lag({})).toMatchObject({ waiting: 2 })
    expect((await acme.insights.lag({})).seconds).toBeGreaterThan(0)
    expect(await globex.insights.lag({})).toEqual({ seconds: 0, waiting: 0 })
    await world.app.database.admin('ALTER TABLE insights.order_overview DROP CONSTRAINT broken')
    await world.settled()
    expect(await acme.insights.lag({})).toEqual({ seconds: 0, waiting: 0 })
    expect(await acme.shown()).toEqual(await acme.expected())
  })
})
