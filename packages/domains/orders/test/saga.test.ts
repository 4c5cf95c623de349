import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Order } from '../src/contract.ts'
import { openWorld, type Shop, type World } from './world.ts'

let world: World
let acme: Shop
beforeAll(async () => {
  world = await openWorld()
  acme = world.shop('acme')
})
afterAll(() => world.stop())
afterEach(() => world.assertBalanced('acme'))

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
    const total = 2 * 250 + 3 * 1_999
    expect(await acme.payment(order)).toEqual({ status: 'CAPTURED', failure: null, captured: total, refunded: 0 })
  })
})
