import { demoId } from '@offshoot/host'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Order } from '../src/contract.ts'
import { insisting, openWorld, type Shop, type World } from './world.ts'

let world: World
let acme: Shop
let globex: Shop
beforeAll(async () => {
  world = await openWorld()
  acme = world.shop('acme')
  globex = world.shop('globex')
})
afterAll(() => world.stop())
afterEach(async () => {
  await world.assertBalanced('acme')
  await world.assertBalanced('globex')
})

const cancelled = (order: Order, cancelReason: Order['cancelReason']) => ({
  ...order,
  status: 'CANCELLED',
  cancelReason,
})
const charged = (captured: number, refunded = 0) => ({ captured, refunded })

describe('an order', () => {
  it('is confirmed once its stock is reserved and its payment captured', async () => {
    const [pen, ink] = [await acme.product(5, 250), await acme.product(3, 1_999)]
    const order = await acme.place(
      [
        [pen, 2],
        [ink, 3],
      ],
      'pm_ok',
    )
    expect(order.status).toBe('PENDING')
    await world.settled()
    expect(await acme.order(order.id)).toEqual({ ...order, status: 'CONFIRMED' })
    expect([await acme.stockOf(pen), await acme.stockOf(ink)]).toEqual([3, 0])
    expect(await acme.payment(order)).toMatchObject({ status: 'CAPTURED', ...charged(2 * 250 + 3 * 1_999) })
  })

  it('is confirmed within a second, on a machine that is busy with other tests', async () => {
    const product = await acme.product(100)
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const began = performance.now()
      const { id } = await acme.place([[product, 1]])
      while ((await acme.order(id)).status === 'PENDING') await new Promise((resolve) => setTimeout(resolve, 2))
      times.push(performance.now() - began)
      await world.settled()
    }
    expect(times.sort((a, b) => a - b)[2]).toBeLessThanOrEqual(1_000)
  })

  it('is cancelled, and nothing paid, when one of its products is out of stock; the others keep their stock', async () => {
    const [plenty, few] = [await acme.product(100), await acme.product(1)]
    const order = await acme.place(
      [
        [plenty, 5],
        [few, 2],
      ],
      'pm_ok',
    )
    await world.settled()
    expect(await acme.order(order.id)).toEqual(cancelled(order, 'out-of-stock'))
    expect([await acme.stockOf(plenty), await acme.stockOf(few)]).toEqual([100, 1])
    expect(await acme.payment(order)).toMatchObject({ status: 'VOID', ...charged(0) })
  })

  it.each(['pm_declined', 'pm_of_nobody'])(
    'is cancelled and its stock released when the card is declined: %s',
    async (card) => {
      const product = await acme.product(4)
      const order = await acme.place([[product, 3]], card)
      await world.settled()
      expect(await acme.order(order.id)).toEqual(cancelled(order, 'payment-failed'))
      expect(await acme.stockOf(product)).toBe(4)
      expect(await acme.payment(order)).toMatchObject({ status: 'FAILED', failure: 'declined', ...charged(0) })
    },
  )

  it('is cancelled within seconds when the payment provider never answers', async () => {
    const product = await acme.product(4)
    const order = await acme.place([[product, 3]], 'pm_timeout')
    await world.settled(4_000)
    expect(await acme.order(order.id)).toEqual(cancelled(order, 'payment-failed'))
    expect(await acme.stockOf(product)).toBe(4)
    expect(await acme.payment(order)).toMatchObject({ status: 'FAILED', failure: 'no-answer', ...charged(0) })
  })

  it('is charged once when the provider charged and its answer was lost', async () => {
    const product = await acme.product(4, 700)
    const order = await acme.place([[product, 3]], 'pm_lost_answer')
    await world.settled()
    expect(await acme.order(order.id)).toMatchObject({ status: 'CONFIRMED' })
    expect(await acme.payment(order)).toMatchObject({ status: 'CAPTURED', ...charged(2_100) })
  })

  it('costs nothing and is confirmed when its products cost nothing', async () => {
    const order = await acme.place([[await acme.product(1, 0), 1]])
    await world.settled()
    expect(await acme.order(order.id)).toMatchObject({ status: 'CONFIRMED' })
  })
})

describe('orders that race', () => {
  it('for the last item: one has it, the other is out of stock', async () => {
    const product = await acme.product(1)
    const placed = await Promise.all([acme.place([[product, 1]]), acme.place([[product, 1]])])
    await world.settled()
    const orders = await Promise.all(placed.map(({ id }) => acme.order(id)))
    expect(orders.map(({ status, cancelReason }) => cancelReason ?? status).sort()).toEqual([
      'CONFIRMED',
      'out-of-stock',
    ])
    expect(await acme.stockOf(product)).toBe(0)
  })

  it('for the same products named in either order: all are served, since nobody waits in a circle', async () => {
    const [a, b] = [await acme.product(40), await acme.product(40)]
    const placed = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        acme.place(
          i % 2
            ? [
                [a, 2],
                [b, 2],
              ]
            : [
                [b, 2],
                [a, 2],
              ],
        ),
      ),
    )
    await world.settled()
    for (const { id } of placed) expect(await acme.order(id)).toMatchObject({ status: 'CONFIRMED' })
    expect([await acme.stockOf(a), await acme.stockOf(b)]).toEqual([0, 0])
    expect(world.app.logged.join('')).not.toContain('40P01')
  })
})

describe('cancelling', () => {
  /** How far a payment is of which we know nothing yet. */
  async function underWay({ id }: Order): Promise<string | undefined> {
    const [payment] = await world.app.database.admin<{ state: string }>(
      `SELECT coalesce(c.status, 'asked') AS state FROM billing.payment p LEFT JOIN billing.provider_charge c USING (tenant_id, id)
       WHERE p.order_id = $1`,
      [id],
    )
    return payment?.state
  }

  it('a confirmed order gives the money and the stock back', async () => {
    const product = await acme.product(2, 500)
    const order = await acme.place([[product, 2]])
    await world.settled()
    expect(await acme.orders.cancel({ id: order.id })).toEqual(cancelled(order, 'customer'))
    await world.settled()
    expect(await acme.order(order.id)).toEqual(cancelled(order, 'customer'))
    expect(await acme.stockOf(product)).toBe(2)
    expect(await acme.payment(order)).toMatchObject({ status: 'REFUNDED', ...charged(1_000, 1_000) })
  })

  it('at once, before anybody has heard of the order, costs nothing', async () => {
    const product = await acme.product(2)
    const order = await acme.place([[product, 2]])
    await acme.orders.cancel({ id: order.id })
    await world.settled()
    expect(await acme.order(order.id)).toEqual(cancelled(order, 'customer'))
    expect(await acme.stockOf(product)).toBe(2)
    const { captured, refunded } = await acme.payment(order)
    expect(captured).toBe(refunded)
  })

  it('while the provider is being asked ends without a charge, and without waiting for the provider', async () => {
    const product = await acme.product(2)
    for (const [card, ending] of [
      ['pm_timeout', { status: 'VOID', ...charged(0) }],
      ['pm_lost_answer', { status: 'REFUNDED', ...charged(2_000, 2_000) }],
    ] as const) {
      const order = await acme.place([[product, 2]], card)
      await expect.poll(() => underWay(order), { interval: 10 }).toBe(card === 'pm_timeout' ? 'asked' : 'charged')
      await acme.orders.cancel({ id: order.id })
      await world.settled()
      expect(await acme.order(order.id)).toEqual(cancelled(order, 'customer'))
      expect(await acme.stockOf(product)).toBe(2)
      expect(await acme.payment(order)).toMatchObject(ending)
    }
  })

  it('at any moment of the saga leaves money and stock where the orders say', async () => {
    const product = await acme.product(500, 300)
    const placed = await Promise.all(
      Array.from({ length: 45 }, async (_, i) => {
        const order = await acme.place([[product, 1]], i % 10 === 9 ? 'pm_lost_answer' : 'pm_ok')
        await new Promise((resolve) => setTimeout(resolve, (i * 37) % 250))
        if (i % 3) await insisting(() => acme.orders.cancel({ id: order.id }))
        return order
      }),
    )
    await world.settled()
    const orders = await Promise.all(placed.map(({ id }) => acme.order(id)))
    expect(orders.map(({ status }) => status)).toEqual(placed.map((_, i) => (i % 3 ? 'CANCELLED' : 'CONFIRMED')))
    expect(await acme.stockOf(product)).toBe(485)
  })
})

describe('an order that stands still', () => {
  /** As if the answer about it had been lost on its way, so many minutes ago. */
  const strand = ({ id }: Order, minutes: number) =>
    world.app.database.admin(
      `UPDATE orders."order" SET status = 'PENDING', created_at = now() - make_interval(mins => $2) WHERE id = $1`,
      [id, minutes],
    )
  const finish = () => world.app.host.runSchedule('orders.finish-stuck-orders')

  it('is cancelled after 15 minutes, in every tenant, and what was taken for it given back', async () => {
    const shops = [acme, globex]
    const products = await Promise.all(shops.map((shop) => shop.product(3, 900)))
    const placed = await Promise.all(shops.map((shop, i) => shop.place([[products[i]!, 2]])))
    await world.settled()
    await Promise.all(placed.map((order) => strand(order, 16)))
    await Promise.all([finish(), finish()])
    await world.settled()
    for (const [i, shop] of shops.entries()) {
      expect(await shop.order(placed[i]!.id)).toMatchObject({ status: 'CANCELLED', cancelReason: 'timed-out' })
      expect(await shop.stockOf(products[i]!)).toBe(3)
      expect(await shop.payment(placed[i]!)).toMatchObject({ status: 'REFUNDED', ...charged(1_800, 1_800) })
    }
    const told = await world.app.database.admin(
      `SELECT FROM orders.outbox WHERE type = 'orders.OrderCancelled' AND data ->> 'reason' = 'timed-out'`,
    )
    expect(told).toHaveLength(2)
  })

  it('is left alone before', async () => {
    const order = await acme.place([[await acme.product(3), 1]])
    await world.settled()
    await strand(order, 14)
    await finish()
    expect(await acme.order(order.id)).toMatchObject({ status: 'PENDING' })
    await acme.orders.cancel({ id: order.id })
    await world.settled()
  })
})

describe('an event that is delivered again', () => {
  it('changes nothing, whichever it is and however often', async () => {
    const product = await acme.product(10)
    const [kept, gone] = [await acme.place([[product, 1]]), await acme.place([[product, 2]])]
    const [declined, rejected] = [await acme.place([[product, 1]], 'pm_declined'), await acme.place([[product, 11]])]
    await world.settled()
    await acme.orders.cancel({ id: gone.id })
    await world.settled()
    const before = await state()
    await world.deliverAgain()
    await world.deliverAgain()
    await world.settled()
    expect(await state()).toEqual(before)
    expect(await acme.order(kept.id)).toMatchObject({ status: 'CONFIRMED' })
    for (const { id } of [declined, rejected]) expect(await acme.order(id)).toMatchObject({ status: 'CANCELLED' })
  })

  /** Everything that the domains know, except how far events have come. */
  const state = () =>
    Promise.all(
      [
        'orders."order"',
        'orders.outbox',
        'catalog.product',
        'catalog.reservation',
        'catalog.outbox',
        'billing.payment',
        'billing.ledger_entry',
        'billing.provider_charge',
        'billing.outbox',
      ].map((table) =>
        world.app.database.admin(`SELECT to_jsonb(t) - 'published_at' AS row FROM ${table} t ORDER BY 1`),
      ),
    )
})

describe('another tenant', () => {
  it('is confirmed while one tenant’s provider does not answer', async () => {
    const [mine, theirs] = [await acme.product(100), await globex.product(100)]
    const stuck = await Promise.all(Array.from({ length: 16 }, () => acme.place([[mine, 1]], 'pm_timeout')))
    const order = await globex.place([[theirs, 1]])
    await expect.poll(() => globex.order(order.id), { interval: 10 }).toMatchObject({ status: 'CONFIRMED' })
    expect(await acme.order(stuck.at(-1)!.id)).toMatchObject({ status: 'PENDING' })
    await world.settled()
    for (const { id } of stuck) expect(await acme.order(id)).toMatchObject({ cancelReason: 'payment-failed' })
  })

  it('with a product of the same SKU and an order of the same key keeps its stock and its money to itself', async () => {
    const both = [acme, globex].map(async (shop) => {
      const product = await shop.catalog.create({
        sku: 'SAME',
        name: 'Same',
        price: { minor: 100, currency: 'EUR' },
        stock: 2,
      })
      const order = await shop.orders.place({ lines: [{ productId: product.id, quantity: 2 }], idempotencyKey: 'same' })
      return { shop, product, order }
    })
    const [mine, theirs] = await Promise.all(both)
    await world.settled()
    await acme.orders.cancel({ id: mine!.order.id })
    await world.settled()
    expect(await acme.stockOf(mine!.product)).toBe(2)
    expect(await globex.stockOf(theirs!.product)).toBe(0)
    expect(await globex.order(theirs!.order.id)).toMatchObject({ status: 'CONFIRMED' })
    const unknown = demoId('payment', 'never')
    const [own] = await acme.billing.getByOrder({ orderIds: [mine!.order.id] })
    expect(await globex.billing.getByOrder({ orderIds: [mine!.order.id] })).toEqual([null])
    expect(await globex.billing.getMany({ ids: [own!.id, unknown as never] })).toEqual([null, null])
  })
})
