// #region with catalog, orders, billing, notifications, insights
import { settled } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway({ events: true })
})
afterAll(() => gateway.close())

describe('the product', () => {
  it('shows a signed-in user who they are, and their tenant’s products and orders', async () => {
    const acme = await gateway.as('owner@acme.test')
    const { data, errors } = await acme(`{
      me { name email memberships { role organization { slug } } }
      products(first: 3) { nodes { sku price { amount currency } } pageInfo { hasNextPage } }
      orders(first: 3) { nodes { status total { amount currency } lines { sku quantity product { sku } } placedBy { name } } }
    }`)
    expect(errors).toBeUndefined()
    expect(data.me).toEqual({
      name: 'Olga Owner',
      email: 'owner@acme.test',
      memberships: [{ role: 'OWNER', organization: { slug: 'acme' } }],
    })
    expect(data.products.nodes).toHaveLength(3)
    expect(data.orders.nodes).toHaveLength(3)
    expect(data.orders.nodes[0].lines[0].product.sku).toBe(data.orders.nodes[0].lines[0].sku)
  })

  it('delivers and charges for an order, or says why not', async () => {
    const owner = await gateway.as('owner@acme.test')
    const { data } = await owner('{ products(search: "Hammer", first: 20) { nodes { id stock price { amount } } } }')
    const product = data.products.nodes.find(({ stock }: { stock: number }) => stock > 2)
    const place = async (paymentMethod?: string) => {
      const input = {
        lines: [{ productId: product.id, quantity: 1 }],
        idempotencyKey: `with-${paymentMethod}`,
        paymentMethod,
      }
      const placed = await owner('mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id } }', { input })
      return placed.data.placeOrder.id as string
    }
    const [paid, declined] = [await place('pm_ok'), await place('pm_declined')]
    await settled(gateway)
    const read = async (id: string) => {
      const answer = await owner(
        'query ($id: ID!) { order(id: $id) { status cancelReason payment { status failure amount { amount } order { id } } } }',
        { id },
      )
      return answer.data.order
    }
    const amount = product.price
    expect(await read(paid)).toEqual({
      status: 'CONFIRMED',
      cancelReason: null,
      payment: { status: 'CAPTURED', failure: null, amount, order: { id: paid } },
    })
    expect(await read(declined)).toEqual({
      status: 'CANCELLED',
      cancelReason: 'payment-failed',
      payment: { status: 'FAILED', failure: 'declined', amount, order: { id: declined } },
    })

    const list = '{ payments(first: 2) { nodes { status order { id } } pageInfo { hasNextPage } } }'
    expect((await owner(list)).data.payments).toEqual({
      nodes: [
        { status: 'FAILED', order: { id: declined } },
        { status: 'CAPTURED', order: { id: paid } },
      ],
      pageInfo: { hasNextPage: true },
    })
    const member = await gateway.as('member@acme.test')
    expect(await member(list)).toMatchObject({
      data: { payments: null },
      errors: [{ extensions: { code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' } }],
    })
    const globex = await gateway.as('owner@globex.test')
    const seen = (await globex('{ payments(first: 100) { nodes { order { id } } } }')).data.payments.nodes
    expect(seen).not.toContainEqual({ order: { id: paid } })
  })

  it('gives the money and the stock of a cancelled order back, of one of the demo’s as of any', async () => {
    const owner = await gateway.as('owner@globex.test')
    const query = `query ($after: String) { orders(first: 1, after: $after, status: CONFIRMED) {
      nodes { id payment { status } lines { quantity product { id stock } } }
    } }`
    const [order] = (await owner(query)).data.orders.nodes
    expect(order.payment).toEqual({ status: 'CAPTURED' })
    await owner('mutation ($id: ID!) { cancelOrder(id: $id) { status } }', { id: order.id })
    await settled(gateway)
    const { data } = await owner(
      'query ($id: ID!) { order(id: $id) { status cancelReason payment { status } lines { quantity product { id stock } } } }',
      { id: order.id },
    )
    expect(data.order).toEqual({
      status: 'CANCELLED',
      cancelReason: 'customer',
      payment: { status: 'REFUNDED' },
      lines: order.lines.map(({ quantity, product }: { quantity: number; product: { id: string; stock: number } }) => ({
        quantity,
        product: { id: product.id, stock: product.stock + quantity },
      })),
    })
  })

  it('takes an order, which another tenant does not see', async () => {
    const acme = await gateway.as('member@acme.test')
    const { data } = await acme('{ products(first: 1) { nodes { id price { amount } } } }')
    const [product] = data.products.nodes
    const placed = await acme(
      'mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id status total { amount } lines { quantity } } }',
      { input: { lines: [{ productId: product.id, quantity: 2 }], idempotencyKey: 'taken' } },
    )
    expect(placed.data.placeOrder).toMatchObject({
      status: 'PENDING',
      lines: [{ quantity: 2 }],
      total: { amount: (product.price.amount * 2).toFixed(2) },
    })

    const globex = await gateway.as('owner@globex.test')
    const query = 'query ($id: ID!) { order(id: $id) { id } }'
    expect((await acme(query, placed.data.placeOrder)).data.order).toEqual({ id: placed.data.placeOrder.id })
    expect(await globex(query, placed.data.placeOrder)).toMatchObject({ data: { order: null }, errors: undefined })
  })

  it('refuses a tenant that one does not belong to in the same words as one that does not exist', async () => {
    const token = await gateway.signIn('owner@acme.test')
    const query = '{ products { nodes { id } } }'
    const foreign = await gateway.ask(query, {}, { token, tenant: 'globex' })
    const missing = await gateway.ask(query, {}, { token, tenant: 'nowhere' })
    expect(foreign.errors).toMatchObject([
      { path: ['products'], extensions: { code: 'FORBIDDEN', reason: 'NOT_A_MEMBER' } },
    ])
    expect(foreign.data).toEqual({ products: null })
    expect(missing.errors).toEqual(foreign.errors)
  })

  it('asks somebody with several tenants to name one, by header or by host name', async () => {
    const token = await gateway.signIn('both@offshoot.test')
    const query = '{ organization { slug } }'
    expect((await gateway.ask(query, {}, { token })).errors).toMatchObject([
      { extensions: { code: 'BAD_USER_INPUT', reason: 'TENANT_REQUIRED' } },
    ])
    expect((await gateway.ask(query, {}, { token, tenant: 'globex' })).data.organization).toEqual({ slug: 'globex' })
  })
})
