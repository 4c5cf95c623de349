import { catalogDomain } from '@offshoot/catalog'
import { catalog } from '@offshoot/catalog/contract'
import { demo } from '@offshoot/host'
import { testApp, userId } from '@offshoot/testing'
import { expect, it } from 'vitest'
import { type Order, orders } from '../src/contract.ts'
import { ordersDomain } from '../src/domain.ts'

it('plants 50 orders of real products for each demo tenant, and leaves them as people changed them when it runs again', async () => {
  const app = await testApp([catalogDomain, ordersDomain], { seed: true, events: false })
  const seen = new Set<string>()
  for (const { slug: tenant } of demo.tenants) {
    const desk = app.client(orders, { tenant })
    const { items } = await desk.list({ first: 100 })
    expect(items).toHaveLength(50)
    for (const order of items) {
      seen.add(order.id)
      expect(order.total.minor).toBe(
        order.lines.reduce((sum, { unitPrice, quantity }) => sum + unitPrice.minor * quantity, 0),
      )
    }
    const lines = items.flatMap((order) => order.lines)
    const sold = await app.client(catalog, { tenant }).getMany({ ids: lines.map(({ productId }) => productId) })
    expect(sold.map((product) => product && [product.sku, product.name, product.price])).toEqual(
      lines.map(({ sku, name, unitPrice }) => [sku, name, unitPrice]),
    )
    const people = demo.users.filter(({ memberships }) => tenant in memberships).map(({ email }) => userId(email))
    expect(new Set(items.map(({ placedBy }) => placedBy))).toEqual(new Set(people))
  }
  expect(seen.size).toBe(100)

  const desk = app.client(orders, { tenant: 'acme' })
  const confirmed = (await desk.list({ first: 1, status: 'CONFIRMED' })).items[0] as Order
  const cancelled = await desk.cancel({ id: confirmed.id })
  const before = await desk.list({ first: 100 })
  await app.host.seed()
  expect(await desk.list({ first: 100 })).toEqual(before)
  expect(before.items).toContainEqual(cancelled)
  await app.stop()
})
