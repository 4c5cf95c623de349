import { billingDomain } from '@offshoot/billing'
import { billing } from '@offshoot/billing/contract'
import { catalogDomain } from '@offshoot/catalog'
import { catalog, type Product } from '@offshoot/catalog/contract'
import { identityDomain } from '@offshoot/identity'
import type { Client } from '@offshoot/rpc'
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
      place: (lines, paymentMethod) =>
        desk.place({
          lines: lines.map(([{ id }, quantity]) => ({ productId: id, quantity })),
          idempotencyKey: `key-${++counter}`,
          paymentMethod,
        }),
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
      const [found] = await app.database.admin<Record<string, string>>(
        `SELECT
           (SELECT count(*) FROM orders."order" WHERE tenant_id = $1 AND status = 'PENDING') AS pending,
           (SELECT coalesce(sum(total_minor), 0) FROM orders."order" WHERE tenant_id = $1 AND status = 'CONFIRMED') AS confirmed,
           (SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount_minor ELSE -amount_minor END), 0) FROM billing.ledger_entry WHERE tenant_id = $1) AS booked,
           (SELECT coalesce(sum(amount_minor), 0) FROM billing.provider_charge WHERE tenant_id = $1 AND status = 'charged') AS charged,
           (SELECT count(*) FROM catalog.reservation r WHERE tenant_id = $1 AND (status = 'held') <> EXISTS (
             SELECT FROM orders."order" o WHERE o.tenant_id = r.tenant_id AND o.id = r.id AND o.status = 'CONFIRMED')) AS misheld`,
        [tenantId(tenant)],
      )
      const { confirmed } = found!
      expect(found).toEqual({ pending: '0', confirmed, booked: confirmed, charged: confirmed, misheld: '0' })
    },
    stop: () => app.stop(),
  }
}
