// #region with catalog, orders, billing, notifications, insights
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NatsServer } from '../../../../packages/platform/events/test/nats-server.ts'
import { describeOverEachTransport } from './carriers.ts'
import { openProduct, type Process, type Product, pause } from './product.ts'
import { openShop, type Shop, settled } from './shops.ts'

const orders = 200
const cards = ['pm_ok', 'pm_ok', 'pm_lost_answer', 'pm_ok', 'pm_declined', 'pm_timeout', 'pm_ok', 'pm_unknown']

describeOverEachTransport('processes killed at random times', (start) => {
  let nats: NatsServer | undefined
  let product: Product
  beforeAll(async () => {
    nats = await start()
    product = await openProduct({ nats })
  })
  afterAll(async () => {
    await product.stop()
    await nats?.stop()
  })

  it(`${orders} orders of two tenants all end, money and stock add up, nobody gets a mail twice`, {
    timeout: 600_000,
  }, async () => {
    const shops = await Promise.all(['north', 'south'].map((slug) => openShop(product, slug)))
    let placed = 0
    let kills = 0

    async function customer(shop: Shop, first: number): Promise<void> {
      for (let n = first; n < orders; n += 8) {
        const scarce = n % 9 === 0
        const order = await shop.place({
          product: scarce ? 'scarce' : 'plenty',
          quantity: 1 + (n % 3),
          paymentMethod: scarce ? 'pm_ok' : cards[n % cards.length],
        })
        placed++
        if (n % 5 === 0) {
          await pause(Math.random() * 600)
          await shop.cancel(order)
        }
        await pause(Math.random() * 1_200)
      }
    }

    /** Kills a process again and again, at any time from its start on. */
    async function saboteur(running: Process): Promise<void> {
      while (placed < orders) {
        await pause(Math.random() * 4_000)
        await running.kill()
        kills++
        running = await product.start()
      }
    }

    const saboteurs = Promise.all([...product.processes].map(saboteur))
    await Promise.all([...Array(8).keys()].map((n) => customer(shops[n % 2]!, n)))
    await saboteurs
    await settled(product, shops)
    expect(kills).toBeGreaterThan(4)
    const outcomes = await product.database.admin<{ outcome: string; n: string }>(
      `SELECT concat_ws(' ', status, cancel_reason) AS outcome, count(*) AS n FROM orders."order" WHERE tenant_id = ANY ($1) GROUP BY 1 ORDER BY 1`,
      [shops.map(({ tenant }) => tenant)],
    )
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      'CANCELLED customer',
      'CANCELLED out-of-stock',
      'CANCELLED payment-failed',
      'CONFIRMED',
    ])
    expect(outcomes.reduce((sum, { n }) => sum + Number(n), 0)).toBe(orders)
  })
})
