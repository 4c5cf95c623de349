import { demo } from '@offshoot/host'
import { expect, it } from 'vitest'
import { openWorld } from './world.ts'

it('plants the projections of the demo’s orders, once, and goes on from there', async () => {
  const world = await openWorld({ seed: true })
  for (const { slug } of demo.tenants) {
    const shop = world.shop(slug)
    const planted = await shop.shown()
    expect(planted.orders).toHaveLength(50)
    expect(planted).toEqual(await shop.expected())
    const [order] = (await shop.orders.list({ first: 1, status: 'CONFIRMED' })).items
    await shop.orders.cancel({ id: order!.id })
    await world.settled()
    const changed = await shop.shown()
    expect(changed).toEqual(await shop.expected())
    expect(changed.revenue).not.toEqual(planted.revenue)
    await world.app.host.seed()
    expect(await shop.shown()).toEqual(changed)
  }
  await world.app.stop()
})
