// #region with catalog, orders, billing, notifications, insights
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NatsServer } from '../../../../packages/platform/events/test/nats-server.ts'
import { describeOverNats } from './carriers.ts'
import { openProduct, type Product, pause } from './product.ts'
import { customersOf, openShop, type Shop, settled } from './shops.ts'

/** In ms. */
const outage = 60_000

describeOverNats('the broker, under load', (start) => {
  let nats: NatsServer
  let product: Product
  let shops: Shop[]
  beforeAll(async () => {
    nats = await start()
    product = await openProduct({ nats })
    shops = await Promise.all(['north', 'south'].map((slug) => openShop(product, slug)))
  })
  afterAll(async () => {
    await product.stop()
    await nats.stop()
  })

  const readiness = () => Promise.all(product.processes.map(async ({ url }) => (await fetch(`${url}/readyz`)).json()))

  it(`may be down for ${outage / 1_000} s: orders are taken, and go on when it is back`, {
    timeout: 600_000,
  }, async () => {
    const customers = customersOf(shops)
    await pause(2_000)
    await nats.halt()
    const [, order] = await Promise.all([pause(outage), shops[0]!.place({})])
    expect(await shops[0]!.status(order)).toBe('PENDING')
    for (const { dependencies } of await readiness()) expect(dependencies.events).toBe('degraded')
    await nats.start()
    await pause(2_000)
    await customers.stop()
    await settled(product, shops)
    expect(await shops[0]!.status(order)).toBe('CONFIRMED')
  })

  it('may lose all that it keeps: it gets it again', { timeout: 600_000 }, async () => {
    const customers = customersOf(shops)
    await pause(2_000)
    await nats.halt()
    nats.wipe()
    await pause(1_000)
    await nats.start()
    await pause(2_000)
    await customers.stop()
    await settled(product, shops)
  })
})
