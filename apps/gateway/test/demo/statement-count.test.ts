// #region with catalog, orders, billing
import { demoId } from '@offshoot/host'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../gateway.ts'
import { statementsOf } from '../statements.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway.close())

describe('the statements of a query', () => {
  it('are as many for 5 products as for 50', async () => {
    const query =
      'query ($first: Int) { products(first: $first) { nodes { id sku price { amount } } pageInfo { endCursor } } }'
    for (const first of [5, 50]) {
      const found = await statementsOf(gateway, query, { first }, ({ products }) => products.nodes.length)
      expect(found).toEqual({ size: first, tables: ['catalog.product'] })
    }
  })

  it('are as many for 5 orders as for 50, with lines, products, people and payments', async () => {
    const query = `query ($first: Int) { orders(first: $first) {
      nodes { id total { amount } placedBy { name email } payment { status amount { amount } } lines { sku quantity product { name price { amount } } } }
    } }`
    for (const first of [5, 50]) {
      const found = await statementsOf(gateway, query, { first }, ({ orders }) => orders.nodes.length)
      expect(found).toEqual({
        size: first,
        tables: [
          'billing.payment',
          'catalog.product',
          'identity.member',
          'identity.user',
          'orders.order',
          'orders.order_line',
        ],
      })
    }
  })

  it('are one for many fields that ask for the same kind of thing', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => {
      const sku = `SKU-${String(i + 1).padStart(4, '0')}`
      return demoId('product', `acme:${sku}`, Date.UTC(2026, 0, 5, 8) + i * 3_600_000)
    })
    const query = `{ ${ids.map((id, i) => `p${i}: product(id: "${id}") { sku }`).join(' ')} }`
    const found = await statementsOf(gateway, query, {}, (data) => Object.values(data).filter(Boolean).length)
    expect(found).toEqual({ size: 20, tables: ['catalog.product'] })
  })
})
