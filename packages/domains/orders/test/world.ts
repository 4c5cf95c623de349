import { billingDomain } from '@offshoot/billing'
import { billing } from '@offshoot/billing/contract'
import { catalogDomain } from '@offshoot/catalog'
import { catalog, type Product } from '@offshoot/catalog/contract'
import { identityDomain } from '@offshoot/identity'
import { type Client, Problem } from '@offshoot/rpc'
import { settled, type TestApp, tenantId, testApp } from '@offshoot/testing'
import { expect } from 'vitest'
import { type Order, type OrderId, orders } from '../src/contract.ts'
import { ordersDomain } from '../src/domain.ts'

/** The domains of the order saga, running together. */
export interface World {
  app: TestApp
  shop(tenant: string): Shop
  settled(ms?: number): Promise<void>
  /** Delivers every event that was ever published once more, shuffled. */
  deliverAgain(): Promise<void>
  /** What must hold for a tenant whenever nothing moves: every order has ended, and money and stock are where its orders say. */
  assertBalanced(tenant: string): Promise<void>
  stop(): Promise<void>
}

/** One tenant's business. */
export interface Shop {
  catalog: Client<typeof catalog>
  orders: Client<typeof orders>
  billing: Client<typeof billing>
  product(stock: number, minor?: number): Promise<Product>
  place(lines: [product: Product, quantity: number][], paymentMethod?: string): Promise<Order>
  order(id: OrderId): Promise<Order>
  stockOf(product: Product): Promise<number>
  /** The payment of an order, with what its ledger says of it. */
  payment(order: Order): Promise<{ status: string; failure: string | null; captured: number; refunded: number }>
}

/** Asks again for what may be asked twice, as customers of a busy shop do. */
export async function insisting<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = 20; ; left--) {
    try {
      return await ask()
    } catch (error) {
      const passing = error instanceof Problem && ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code)
      if (!passing || left === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

export async function openWorld(): Promise<World> {
  const app = await testApp([identityDomain, catalogDomain, ordersDomain, billingDomain])
  let counter = 0

  function shop(tenant: string): Shop {
    const [products, desk, till] = [
      app.client(catalog, { tenant }),
      app.client(orders, { tenant }),
      app.client(billing, { tenant }),
    ]
    return {
      catalog: products,
      orders: desk,
      billing: till,
      product: (stock, minor = 1_000) =>
        products.create({
          sku: `SKU-${++counter}`,
          name: `Thing ${counter}`,
          price: { minor, currency: 'EUR' },
          stock,
        }),
      place(lines, paymentMethod) {
        const request = {
          lines: lines.map(([{ id }, quantity]) => ({ productId: id, quantity })),
          idempotencyKey: `key-${++counter}`,
          paymentMethod,
        }
        return insisting(() => desk.place(request))
      },
      order: async (id) => (await desk.getMany({ ids: [id] }))[0]!,
      stockOf: async ({ id }) => (await products.getMany({ ids: [id] }))[0]!.stock,
      async payment({ id }) {
        const [payment] = await till.getByOrder({ orderIds: [id] })
        const [ledger] = await app.database.admin<{ captured: string; refunded: string }>(
          `SELECT coalesce(sum(amount_minor) FILTER (WHERE kind = 'capture'), 0) AS captured,
             coalesce(sum(amount_minor) FILTER (WHERE kind = 'refund'), 0) AS refunded
           FROM billing.ledger_entry WHERE payment_id = $1`,
          [payment!.id],
        )
        const { status, failure } = payment!
        return { status, failure, captured: Number(ledger!.captured), refunded: Number(ledger!.refunded) }
      },
    }
  }

  return {
    app,
    shop,
    settled: (ms) => settled(app, ms),
    async deliverAgain() {
      // As the transport would: the relay publishes again what is not marked as published.
      for (const domain of ['orders', 'catalog', 'billing']) {
        await app.database.admin(`UPDATE "${domain}".outbox SET published_at = NULL`)
      }
      await settled(app)
    },
    async assertBalanced(tenant) {
      // Asked of each domain by itself: each may have a database of its own.
      const ask = (sql: string) => app.database.admin<Record<string, string>>(sql, [tenantId(tenant)])
      const [placed] = await ask(
        `SELECT count(*) FILTER (WHERE status = 'PENDING') AS pending,
           coalesce(sum(total_minor) FILTER (WHERE status = 'CONFIRMED'), 0) AS confirmed,
           coalesce(array_agg(id::text ORDER BY id) FILTER (WHERE status = 'CONFIRMED'), '{}') AS ids
         FROM orders."order" WHERE tenant_id = $1`,
      )
      const [booked] = await ask(
        `SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount_minor ELSE -amount_minor END), 0) AS booked
         FROM billing.ledger_entry WHERE tenant_id = $1`,
      )
      const [charged] = await ask(
        `SELECT coalesce(sum(amount_minor), 0) AS charged FROM billing.provider_charge WHERE tenant_id = $1 AND status = 'charged'`,
      )
      const [reserved] = await ask(
        `SELECT coalesce(array_agg(id::text ORDER BY id), '{}') AS held FROM catalog.reservation WHERE tenant_id = $1 AND status = 'held'`,
      )
      const { confirmed, ids } = placed!
      expect({ ...placed, ...booked, ...charged, ...reserved }).toEqual({
        pending: '0',
        confirmed,
        ids,
        booked: confirmed,
        charged: confirmed,
        held: ids,
      })
    },
    stop: () => app.stop(),
  }
}
