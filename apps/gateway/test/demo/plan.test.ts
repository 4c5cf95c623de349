// #region with catalog, orders
import { randomUUID } from 'node:crypto'
import { ordersDomain } from '@offshoot/orders'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type TestGateway, testGateway } from '../gateway.ts'

type Ask = (query: string, variables?: Record<string, unknown>) => Promise<Answer>

let gateway: TestGateway
let operator: Ask
beforeAll(async () => {
  gateway = await testGateway()
  operator = await gateway.as('operator@offshoot.test')
})
afterAll(() => gateway.close())

describe('the plan of a tenant', () => {
  const mergedLines = ordersDomain.definition.flags!.find(({ key }) => key === 'orders.merged-lines')!
  const change = `mutation ($slug: String!, $plan: Plan!) { changePlan(input: { slug: $slug, plan: $plan }) { slug plan } }`
  const merged = `mutation ($product: ID!, $key: String!) { placeOrder(input: {
    idempotencyKey: $key, lines: [{ productId: $product, quantity: 1 }, { productId: $product, quantity: 1 }]
  }) { lines { quantity } } }`

  it('decides from the next request on what flags say that are switched by plan, and is for the staff to change', async () => {
    const constraints = [{ contextName: 'plan', operator: 'IN', values: ['pro', 'enterprise'] }]
    gateway.flags.set(mergedLines, [{ name: 'default', parameters: {}, constraints }])
    const [acme, globex] = [await gateway.as('owner@acme.test'), await gateway.as('owner@globex.test')]
    const mayMerge = async (owner: Ask) => {
      const [product] = (await owner('{ products(first: 1) { nodes { id } } }')).data.products.nodes
      const { data, errors } = await owner(merged, { product: product.id, key: randomUUID() })
      return data.placeOrder ? data.placeOrder.lines[0].quantity === 2 : errors![0]!.extensions.reason
    }
    const plans = () => Promise.all([acme, globex].map(async (ask) => (await ask(own)).data.organization.plan))
    const own = '{ organization { plan } me { memberships { organization { plan } } } }'

    expect(await plans()).toEqual(['PRO', 'FREE'])
    expect([await mayMerge(acme), await mayMerge(globex)]).toEqual([true, 'INVALID_INPUT'])
    for (const slug of ['acme', 'globex']) {
      expect(await globex(change, { slug, plan: 'ENTERPRISE' })).toMatchObject({
        data: { changePlan: null },
        errors: [{ extensions: { code: 'FORBIDDEN', reason: 'OPERATOR_ONLY' } }],
      })
    }
    expect(await plans()).toEqual(['PRO', 'FREE'])
    const { data } = await operator(change, { slug: 'globex', plan: 'ENTERPRISE' })
    expect(data).toEqual({ changePlan: { slug: 'globex', plan: 'ENTERPRISE' } })
    await operator(change, { slug: 'acme', plan: 'FREE' })
    expect([await mayMerge(acme), await mayMerge(globex)]).toEqual(['INVALID_INPUT', true])
    expect((await globex(own)).data.me.memberships).toEqual([{ organization: { plan: 'ENTERPRISE' } }])
  })
})
