// #region with catalog, orders, billing, notifications, insights
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../gateway.ts'

type Ask = Awaited<ReturnType<TestGateway['as']>>

let gateway: TestGateway
let owner: Ask
beforeAll(async () => {
  gateway = await testGateway({ events: true })
  owner = await gateway.as('owner@acme.test')
})
afterAll(() => gateway.close())

const forbidden = { code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' }

describe('insights in the public API', () => {
  it('show orders with their customers and what was sold', async () => {
    const { data, errors } = await owner(`{ orderOverview(first: 50, status: CONFIRMED) {
      nodes { id status customer { name } productNames total { amount currency } placedAt
        order { status placedBy { name } total { amount currency } createdAt lines { name } } }
    } }`)
    expect(errors).toBeUndefined()
    expect(data.orderOverview.nodes).toHaveLength(45)
    for (const { order, customer, productNames, ...overview } of data.orderOverview.nodes) {
      const { status, placedBy, total, createdAt, lines } = order
      expect({ customer, productNames, ...overview }).toEqual({
        id: overview.id,
        status,
        customer: placedBy,
        productNames: lines.map(({ name }: { name: string }) => name),
        total,
        placedAt: createdAt,
      })
    }
  })

  it('add up to the same, by day and by product, and extend products by their sales', async () => {
    const { data, errors } = await owner(`{
      revenueByDay(from: "2026-02-01", to: "2026-12-31") { day amount { amount currency } orders }
      topProducts(first: 3) { name sku unitsSold revenue { amount currency } product { name sku sales { unitsSold revenue { amount currency } } } }
      products(first: 100) { nodes { sku sales { unitsSold } } }
      insightsLag { seconds waiting }
    }`)
    expect(errors).toBeUndefined()
    const { revenueByDay, topProducts, products, insightsLag } = data
    expect(revenueByDay.reduce((sum: number, { orders }: { orders: number }) => sum + orders, 0)).toBe(45)
    expect(revenueByDay[0]).toEqual({ day: '2026-02-02', amount: expect.anything(), orders: 3 })
    expect(topProducts).toHaveLength(3)
    for (const { product, unitsSold, revenue, ...sold } of topProducts)
      expect(product).toEqual({ ...sold, sales: { unitsSold, revenue } })
    const most = Math.max(...products.nodes.map(({ sales }: { sales: { unitsSold: number } }) => sales.unitsSold))
    expect(most).toBeLessThanOrEqual(topProducts[0].unitsSold)
    expect(insightsLag).toEqual({ seconds: 0, waiting: 0 })
  })

  it('ask the database as often for 50 as for 5, however they are nested', async () => {
    for (const first of [5, 50]) {
      gateway.statements.length = 0
      const { errors } = await owner(
        `query ($first: Int) {
          orderOverview(first: $first) { nodes { customer { name } productNames } }
          topProducts(first: $first) { name product { name sales { unitsSold revenue { amount } } } }
        }`,
        { first },
      )
      expect(errors).toBeUndefined()
      const tables = gateway.statements.map(
        ({ sql }) => /FROM "?(\w+)"?\."?(\w+)"?/.exec(sql)?.slice(1, 3).join('.') ?? sql,
      )
      expect(tables.sort()).toEqual([
        'catalog.product',
        'identity.member',
        'identity.user',
        'insights.order_overview',
        ...Array(2).fill('insights.product_revenue'),
        ...Array(2).fill('insights.product_sales'),
      ])
    }
  })

  it('are for owners and admins, and take no more than their own part of an answer with them', async () => {
    const member = await gateway.as('member@acme.test')
    const { data, errors } = await member(
      '{ products(first: 1) { nodes { name sales { unitsSold } } } insightsLag { waiting } emails { nodes { id } } }',
    )
    expect(data).toEqual({
      products: { nodes: [{ name: expect.any(String), sales: null }] },
      insightsLag: null,
      emails: null,
    })
    expect(errors!.map(({ path, extensions }) => ({ path: path!.join('.'), ...extensions }))).toEqual(
      expect.arrayContaining(
        ['products.nodes.0.sales', 'insightsLag', 'emails'].map((path) =>
          expect.objectContaining({ path, ...forbidden }),
        ),
      ),
    )
  })

  it('refuse what is no day and what is too many', async () => {
    const refused = async (args: string) =>
      (await owner(`{ revenueByDay(${args}) { day } }`)).errors?.[0]?.extensions.code
    expect(await refused('from: "2026-02-30", to: "2026-03-01"')).toBe('BAD_USER_INPUT')
    expect(await refused('from: "2020-01-01", to: "2026-03-01"')).toBe('BAD_USER_INPUT')
    expect(await refused('from: "2026-03-01", to: "2026-03-01"')).toBeUndefined()
  })

  it('follow an order that is placed, and so does the mail to whoever placed it', async () => {
    const { data } = await owner('{ products(first: 1) { nodes { id name sales { unitsSold } } } }')
    const [product] = data.products.nodes
    const placed = await owner('mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id } }', {
      input: { lines: [{ productId: product.id, quantity: 2 }], idempotencyKey: 'insights', paymentMethod: 'pm_ok' },
    })
    const { id } = placed.data.placeOrder
    const newest = async () =>
      (
        await owner(`{
      orderOverview(first: 1) { nodes { id status productNames } }
      product(id: "${product.id}") { sales { unitsSold } }
      emails(first: 1) { nodes { template status user { email } } }
    }`)
      ).data
    await expect.poll(newest).toEqual({
      orderOverview: { nodes: [{ id, status: 'CONFIRMED', productNames: [product.name] }] },
      product: { sales: { unitsSold: product.sales.unitsSold + 2 } },
      emails: { nodes: [{ template: 'ORDER_CONFIRMED', status: 'SENT', user: { email: 'owner@acme.test' } }] },
    })
    const shown = await fetch(`${gateway.url}/dev/mail`, { headers: { accept: 'application/json' } })
    expect(((await shown.json()) as { text: string }[])[0]!.text).toContain(id)
  })
})
