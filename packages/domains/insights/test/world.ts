import { billingDomain } from '@offshoot/billing'
import { catalogDomain } from '@offshoot/catalog'
import { catalog, type Product } from '@offshoot/catalog/contract'
import { identityDomain } from '@offshoot/identity'
import { ordersDomain } from '@offshoot/orders'
import { type Order, orders } from '@offshoot/orders/contract'
import type { Client } from '@offshoot/rpc'
import { settled, type TestApp, testApp } from '@offshoot/testing'
import { insights, type ProductSales, type RevenueDay } from '../src/contract.ts'
import { insightsDomain } from '../src/domain.ts'

export interface World {
  app: TestApp
  settled(): Promise<void>
  deliverAgain(): Promise<void>
  shop(tenant: string): Shop
}

/** One tenant's business, and what insights make of it. */
export interface Shop {
  orders: Client<typeof orders>
  insights: Client<typeof insights>
  product(price?: number, currency?: string, stock?: number): Promise<Product>
  place(lines: [product: Product, quantity: number][], paymentMethod?: string): Promise<Order>
  /** All projections, as insights show them. */
  shown(): Promise<Shown>
  /** The same, worked out from the orders themselves. */
  expected(): Promise<Shown>
}

export interface Shown {
  orders: {
    id: string
    status: string
    customer: string | null
    productNames: string[]
    total: object
    cancelReason: string | null
  }[]
  /** Without the day: an order does not tell when it was confirmed. */
  revenue: Record<string, [amount: number, orders: number]>
  products: Record<string, { unitsSold: number; revenue: Record<string, number> }>
}

const domains = [identityDomain, catalogDomain, ordersDomain, billingDomain, insightsDomain]

export async function openWorld(options?: { seed?: boolean }): Promise<World> {
  const app = await testApp(domains, options)
  let counter = 0

  function shop(tenant: string): Shop {
    const desk = app.client(orders, { tenant })
    const reader = app.client(insights, { tenant })

    async function shown(): Promise<Shown> {
      const { items } = await reader.orderOverview({ first: 100 })
      const ordered = (await desk.list({ first: 100 })).items.flatMap(({ lines }) => lines)
      const sales = await reader.salesOfProducts({ ids: [...new Set(ordered.map(({ productId }) => productId))] })
      const days = await reader.revenueByDay({ from: '2026-01-01', to: '2026-12-31' })
      return {
        orders: items.map(({ placedAt: _, updatedAt: __, ...order }) => order),
        revenue: totals(days),
        products: Object.fromEntries(sales.filter(({ unitsSold }) => unitsSold > 0).map(salesOf)),
      }
    }

    async function expected(): Promise<Shown> {
      const { items } = await desk.list({ first: 100 })
      const confirmed = items.filter(({ status }) => status === 'CONFIRMED')
      const products: Shown['products'] = {}
      for (const { lines } of confirmed)
        for (const { productId, quantity, unitPrice } of lines) {
          const sales = products[productId] ?? { unitsSold: 0, revenue: {} }
          products[productId] = sales
          sales.unitsSold += quantity
          sales.revenue[unitPrice.currency] = (sales.revenue[unitPrice.currency] ?? 0) + unitPrice.minor * quantity
        }
      return {
        orders: items.map(({ id, status, placedBy, lines, total, cancelReason }) => ({
          id,
          status,
          customer: placedBy,
          productNames: lines.map(({ name }) => name),
          total,
          cancelReason,
        })),
        revenue: totals(confirmed.map(({ total }) => ({ amount: total, orders: 1 }))),
        products,
      }
    }

    return {
      orders: desk,
      insights: reader,
      product: (minor = 1_000, currency = 'EUR', stock = 10_000) =>
        app
          .client(catalog, { tenant })
          .create({ sku: `SKU-${++counter}`, name: `Thing ${counter}`, price: { minor, currency }, stock }),
      place: (lines, paymentMethod = 'pm_ok') =>
        desk.place({
          lines: lines.map(([{ id }, quantity]) => ({ productId: id, quantity })),
          idempotencyKey: `key-${++counter}`,
          paymentMethod,
        }),
      shown,
      expected,
    }
  }

  return {
    app,
    shop,
    settled: () => settled(app),
    async deliverAgain() {
      for (const { name } of domains) await app.database.admin(`UPDATE "${name}".outbox SET published_at = NULL`)
      await settled(app)
    },
  }
}

function totals(days: Pick<RevenueDay, 'amount' | 'orders'>[]): Shown['revenue'] {
  const revenue: Shown['revenue'] = {}
  for (const { amount, orders } of days) {
    const [sum, count] = revenue[amount.currency] ?? [0, 0]
    revenue[amount.currency] = [sum + amount.minor, count + orders]
  }
  return revenue
}

const salesOf = ({ product, unitsSold, revenue }: ProductSales) =>
  [
    product,
    { unitsSold, revenue: Object.fromEntries(revenue.map(({ minor, currency }) => [currency, minor])) },
  ] as const
