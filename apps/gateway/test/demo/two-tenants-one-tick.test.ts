// #region with catalog, orders
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway.close())

const list = `query ($first: Int) {
  organization { slug }
  products(first: $first) { nodes { id sku description price { currency } } }
  orders(first: 3) { nodes { id lines { product { id description } } placedBy { email } } }
}`
const one = `query ($id: ID!, $other: ID!) {
  organization { slug }
  product(id: $id) { description }
  other: product(id: $other) { id }
}`

describe('requests of two tenants at once', () => {
  it('each see their own, by list and by id, also when one person asks for both', async () => {
    const tokens = {
      acme: [await gateway.signIn('owner@acme.test'), await gateway.signIn('both@offshoot.test')],
      globex: [await gateway.signIn('owner@globex.test'), await gateway.signIn('both@offshoot.test')],
    }
    const ids = async (tenant: 'acme' | 'globex') => {
      const { data } = await gateway.ask(list, { first: 50 }, { token: tokens[tenant][0], tenant })
      return data.products.nodes.map(({ id }: { id: string }) => id) as string[]
    }
    const own = { acme: await ids('acme'), globex: await ids('globex') }

    const asked = Array.from({ length: 200 }, async (_, i) => {
      const [tenant, other] = i % 2 === 0 ? (['acme', 'globex'] as const) : (['globex', 'acme'] as const)
      const asking = { token: tokens[tenant][Math.floor(i / 2) % 2], tenant }
      const n = Math.floor(i / 4) % 50
      if (i % 4 < 2) {
        const { data, errors } = await gateway.ask(one, { id: own[tenant][n], other: own[other][n] }, asking)
        expect(errors).toBeUndefined()
        expect(data).toEqual({
          organization: { slug: tenant },
          product: { description: expect.stringContaining(tenant) },
          other: null,
        })
        return
      }
      const { data, errors } = await gateway.ask(list, { first: 5 }, asking)
      expect(errors).toBeUndefined()
      expect(data.organization).toEqual({ slug: tenant })
      expect(data.products.nodes.map(({ id }: { id: string }) => id)).toEqual(own[tenant].slice(0, 5))
      expect(data.orders.nodes).toHaveLength(3)
      expect(JSON.stringify(data)).not.toMatch(new RegExp(`demo range of ${other}|@${other}\\.test`))
      expect(JSON.stringify(data)).toContain(`demo range of ${tenant}`)
    })
    await Promise.all(asked)
    expect(asked).toHaveLength(200)
  })
})
