import { billingDomain } from '@offshoot/billing'
import { catalogDomain } from '@offshoot/catalog'
import { catalog, type Product } from '@offshoot/catalog/contract'
import { identityDomain } from '@offshoot/identity'
import { ordersDomain } from '@offshoot/orders'
import { type Order, orders } from '@offshoot/orders/contract'
import type { Role } from '@offshoot/rpc'
import { settled, type TestApp, testApp } from '@offshoot/testing'
import { notificationsDomain } from '../src/domain.ts'

/** The demo's shops and people, with everything that ends in a mail. */
export interface World {
  app: TestApp
  product(stock?: number, tenant?: string): Promise<Product>
  place(product: Product, by?: { tenant?: string; role?: Role; user?: string; paymentMethod?: string }): Promise<Order>
  settled(): Promise<void>
  /** Delivers everything that ever happened once more. */
  deliverAgain(): Promise<void>
  /** What was mailed since the last time, oldest first. */
  mailed(): { to: string; subject: string; text: string; messageId?: string }[]
}

export async function openWorld(): Promise<World> {
  const all = [identityDomain, catalogDomain, ordersDomain, billingDomain, notificationsDomain]
  const app = await testApp(all, { seed: true })
  let counter = 0
  let seen = 0
  return {
    app,
    product: (stock = 1_000, tenant = 'acme') =>
      app
        .client(catalog, { tenant })
        .create({ sku: `SKU-${++counter}`, name: `Pen ${counter}`, price: { minor: 1_250, currency: 'EUR' }, stock }),
    place: ({ id }, { tenant = 'acme', paymentMethod = 'pm_ok', ...by } = {}) =>
      app.client(orders, { tenant, ...by }).place({
        lines: [{ productId: id, quantity: 2 }],
        idempotencyKey: `key-${++counter}`,
        paymentMethod,
      }),
    settled: () => settled(app),
    async deliverAgain() {
      for (const { name } of all) await app.database.admin(`UPDATE "${name}".outbox SET published_at = NULL`)
      await settled(app)
    },
    mailed() {
      const caught = app.mailer.caught!.toReversed()
      const mails = caught.slice(seen)
      seen = caught.length
      return mails
    },
  }
}
