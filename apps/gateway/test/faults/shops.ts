// #region with catalog, orders, billing, notifications, insights
/** Organizations that sell, in the product as it runs in production, and what must hold when all is over. */
import type { TestDatabase } from '@offshoot/data/testing'
import { expect } from 'vitest'
import { domains } from '../../src/domains.ts'
import { type Product, pause } from './product.ts'

export interface Shop {
  slug: string
  tenant: string
  /** The products' ids, and the stock that each began with. */
  products: Record<'plenty' | 'scarce' | 'dear', { id: string; stock: number }>
  /** Asks as the shop's owner, whichever process answers, until one does: no answer leads to the same request again. */
  ask(query: string, variables?: Record<string, unknown>): Promise<any>
  place(order: OrderToPlace): Promise<string>
  cancel(order: string): Promise<void>
  status(order: string): Promise<string>
}

export interface OrderToPlace {
  product?: keyof Shop['products']
  quantity?: number
  paymentMethod?: string
}

/** A new organization, with products. */
export async function openShop(product: Product, slug: string): Promise<Shop> {
  const token = await product.signIn('owner@acme.test')
  const { createOrganization } = await product.ask(
    token,
    undefined,
    'mutation ($slug: String!) { createOrganization(input: { name: $slug, slug: $slug }) { id } }',
    { slug },
  )
  const ask = (query: string, variables: object = {}) => product.ask(token, slug, query, variables)
  const create = async (sku: string, stock: number, amount: string) => {
    const price = { amount, currency: 'EUR' }
    const { createProduct } = await ask(
      'mutation ($input: CreateProductInput!) { createProduct(input: $input) { id } }',
      { input: { sku, name: sku, stock, price } },
    )
    return { id: createProduct.id as string, stock }
  }
  const [[tenant], plenty, scarce, dear] = await Promise.all([
    product.database
      .admin<{ id: string }>('SELECT id FROM identity.organization WHERE slug = $1', [slug])
      .catch(() => []),
    create('PLENTY', 1_000_000, '12.34'),
    create('SCARCE', 7, '5.00'),
    create('DEAR', 1_000, '6666.00'),
  ])
  let counter = 0
  return {
    slug,
    tenant: tenant?.id ?? createOrganization.id,
    products: { plenty, scarce, dear },
    ask,
    async place({ product = 'plenty', quantity = 1, paymentMethod = 'pm_ok' }) {
      const productId = { plenty, scarce, dear }[product].id
      const input = { lines: [{ productId, quantity }], idempotencyKey: `${slug}-${++counter}`, paymentMethod }
      const data = await ask('mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id } }', { input })
      return data.placeOrder.id
    },
    async cancel(id) {
      await ask('mutation ($id: ID!) { cancelOrder(id: $id) { status } }', { id })
    },
    status: async (id) => (await ask('query ($id: ID!) { order(id: $id) { status } }', { id })).order.status,
  }
}

/** How long nothing may change before it counts as stuck, in ms: longer than a lease, and than most retries wait. */
const longestStandstill = 60_000

/** Resolves once every order of these shops has ended, nothing waits, and `assertBalanced` holds; for as long as that comes nearer, however fast the machine is. */
export async function settled({ database, mails }: Product, shops: readonly Shop[]): Promise<void> {
  let before = ''
  let changed = performance.now()
  for (;;) {
    try {
      await assertNothingWaits(database)
      for (const shop of shops) await assertBalanced({ database, mails }, shop)
      return
    } catch (error) {
      const { actual } = error as { actual?: unknown }
      const now = JSON.stringify(actual) ?? String(error)
      if (now !== before) changed = performance.now()
      else if (performance.now() - changed > longestStandstill) throw error
      before = now
    }
    await pause(500)
  }
}

async function assertNothingWaits({ admin }: Pick<TestDatabase, 'admin'>): Promise<void> {
  const sql = domains
    .map(({ name }) => name)
    .flatMap((name) => [
      `SELECT type || ' is not published' AS waits FROM "${name}".outbox WHERE published_at IS NULL`,
      `SELECT type || ' is not handled by ${name}.' || handler || coalesce(': ' || error, '') FROM "${name}".inbox WHERE status IN ('pending', 'dead')`,
    ])
    .concat(`SELECT 'something is not delivered to ' || consumer FROM events.delivery`)
    .join(' UNION ALL ')
  const waiting = await admin<{ waits: string }>(`SELECT waits, count(*) FROM (${sql}) w GROUP BY waits`)
  expect(waiting).toEqual([])
}

/** Every order of a shop has ended, and money, stock, mails and projections are where its orders say. */
async function assertBalanced(
  { database: { admin }, mails }: Pick<Product, 'database' | 'mails'>,
  { tenant, products }: Shop,
): Promise<void> {
  const [found] = await admin<Record<string, string>>(
    `SELECT
       (SELECT count(*) FROM orders."order" WHERE tenant_id = $1 AND status NOT IN ('CONFIRMED', 'CANCELLED')) AS pending,
       (SELECT coalesce(sum(total_minor), 0) FROM orders."order" WHERE tenant_id = $1 AND status = 'CONFIRMED') AS confirmed,
       (SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount_minor ELSE -amount_minor END), 0) FROM billing.ledger_entry WHERE tenant_id = $1) AS booked,
       (SELECT coalesce(sum(amount_minor), 0) FROM billing.provider_charge WHERE tenant_id = $1 AND status = 'charged') AS charged,
       (SELECT coalesce(sum(amount_minor), 0) FROM insights.revenue_day WHERE tenant_id = $1) AS revenue,
       (SELECT count(*) FROM orders."order" o LEFT JOIN insights.order_overview v USING (tenant_id, id) WHERE tenant_id = $1 AND v.status IS DISTINCT FROM o.status) AS misprojected,
       (SELECT count(*) FROM catalog.reservation r LEFT JOIN orders."order" o USING (tenant_id, id)
         WHERE tenant_id = $1 AND (r.status = 'held') <> (o.status IS NOT DISTINCT FROM 'CONFIRMED')) AS misheld,
       (SELECT count(*) FROM orders."order" o JOIN billing.payment p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
         WHERE o.tenant_id = $1 AND (o.status = 'CONFIRMED') <> (p.status = 'CAPTURED')) AS mispaid`,
    [tenant],
  )
  const { confirmed } = found!
  expect(found).toEqual({
    pending: '0',
    confirmed,
    booked: confirmed,
    charged: confirmed,
    revenue: confirmed,
    misprojected: '0',
    misheld: '0',
    mispaid: '0',
  })

  const stocks = await admin<{ id: string; stock: number }>(
    `SELECT p.id, (p.stock + coalesce((SELECT sum(l.quantity) FROM orders.order_line l JOIN orders."order" o ON o.tenant_id = l.tenant_id AND o.id = l.order_id
       WHERE l.tenant_id = p.tenant_id AND l.product_id = p.id AND o.status = 'CONFIRMED'), 0))::int AS stock FROM catalog.product p WHERE p.tenant_id = $1`,
    [tenant],
  )
  for (const { id, stock } of Object.values(products)) expect(stocks).toContainEqual({ id, stock })

  const wrong = await admin(
    `SELECT o.id, o.status, e.template, count(e.id)::int AS mails FROM orders."order" o
       CROSS JOIN (VALUES ('order-confirmed', 'CONFIRMED'), ('order-cancelled', 'CANCELLED')) AS t(template, status)
       LEFT JOIN notifications.email e ON e.tenant_id = o.tenant_id AND e.data ->> 'orderId' = o.id::text AND e.template = t.template
     WHERE o.tenant_id = $1 GROUP BY o.id, o.status, t.status, e.template, o.tenant_id
     HAVING count(e.id) > 1 OR o.status = t.status AND count(e.id) <> 1`,
    [tenant],
  )
  expect(wrong).toEqual([])
  const emails = await admin<{ id: string; status: string }>(
    'SELECT id, status FROM notifications.email WHERE tenant_id = $1',
    [tenant],
  )
  for (const { id, status } of emails) {
    expect(status).toBe('SENT')
    const copies = mails.filter(({ headers }) => headers.get('message-id')?.startsWith(`<${id}@`))
    expect(new Set(copies.map(({ to, body }) => `${to} ${body}`)).size).toBe(1)
  }
}

/** Customers who order all the time, and cancel now and then, until they are stopped. Who waited long comes back later, so that a slow machine has less to do. */
export function customersOf(shops: readonly Shop[]): { stop(): Promise<void> } {
  let open = true
  async function customer(shop: Shop): Promise<void> {
    for (let n = 0; open; n++) {
      const began = performance.now()
      const order = await shop.place({ paymentMethod: n % 3 === 0 ? 'pm_lost_answer' : 'pm_ok' })
      await pause(Math.random() * 800 + 5 * (performance.now() - began))
      if (n % 4 === 0) await shop.cancel(order)
    }
  }
  const all = Promise.all([...shops, ...shops].map(customer))
  all.catch(() => {}) // whoever stops them is told
  return {
    async stop() {
      open = false
      await all
    },
  }
}
