import { demoId } from '@offshoot/host'
import { testApp } from '@offshoot/testing'
import { expect, it } from 'vitest'
import { catalog, demoProducts, type ProductId } from '../src/contract.ts'
import { catalogDomain } from '../src/domain.ts'

it('plants 200 products for each demo tenant, and leaves them as people changed them when it runs again', async () => {
  const app = await testApp([catalogDomain], { seed: true, events: false })
  const all = async (tenant: string) => {
    const client = app.client(catalog, { tenant })
    const { items } = await client.list({ first: 100 })
    return [...items, ...(await client.list({ first: 100, after: items.at(-1)!.id })).items]
  }
  const [acme, globex] = [await all('acme'), await all('globex')]
  expect(acme).toHaveLength(200)
  expect(globex).toHaveLength(200)
  expect(acme.map(({ sku }) => sku)).toEqual(globex.map(({ sku }) => sku))
  expect(new Set([...acme, ...globex].map(({ id }) => id)).size).toBe(400)
  expect(acme.map(({ id }) => id).reverse()).toEqual(
    demoProducts('acme').map(({ key, createdAt }) => demoId('product', key, createdAt)),
  )

  const shop = app.client(catalog, { tenant: 'acme' })
  const changed = await shop.update({ id: acme[0]!.id, sku: 'MINE', name: 'Mine', stock: 7 })
  await shop.archive({ id: acme[1]!.id as ProductId })
  await app.host.seed()
  expect(await all('acme')).toEqual([changed, ...acme.slice(2)])
  expect(await all('globex')).toEqual(globex)
  await app.stop()
})
