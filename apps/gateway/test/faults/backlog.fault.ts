// #region with catalog, orders, billing, notifications, insights
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NatsServer } from '../../../../packages/platform/events/test/nats-server.ts'
import { describeOverEachTransport } from './carriers.ts'
import { openProduct, type Product, pause, until } from './product.ts'
import { openShop, type Shop } from './shops.ts'

const orders = 10_000
/** The backlog takes minutes; behind it, so would the order of another tenant. How soon it ends in fact is for `npm run bench events` to say, not for a busy machine. */
const longest = 15_000

describeOverEachTransport(`${orders} orders of one tenant`, (start) => {
  let nats: NatsServer | undefined
  let product: Product
  let busy: Shop
  let other: Shop
  beforeAll(async () => {
    nats = await start()
    product = await openProduct({ nats, processes: 1 })
    busy = await openShop(product, 'busy')
    other = await openShop(product, 'other')
  })
  afterAll(async () => {
    await product.stop()
    await nats?.stop()
  })

  /** As if they had all been placed just now: copies of one that was. */
  async function placeAll(): Promise<void> {
    const model = await busy.place({})
    await until(async () => (await busy.status(model)) === 'CONFIRMED')
    await product.database.admin(
      `WITH copies AS MATERIALIZED (SELECT gen_random_uuid() AS id FROM generate_series(1, $3::int)),
       placed AS (
         INSERT INTO orders."order" SELECT (jsonb_populate_record(o, jsonb_build_object('id', c.id, 'idempotency_key', c.id, 'status', 'PENDING'))).*
         FROM orders."order" o, copies c WHERE o.tenant_id = $1 AND o.id = $2
       ), lines AS (
         INSERT INTO orders.order_line SELECT (jsonb_populate_record(l, jsonb_build_object('order_id', c.id))).*
         FROM orders.order_line l, copies c WHERE l.tenant_id = $1 AND l.order_id = $2
       ), heads AS (
         INSERT INTO orders.outbox_head (tenant_id, aggregate, revision, last_by_type)
         SELECT $1, 'order/' || id, 1, '{"orders.OrderPlaced": 1}' FROM copies
       )
       INSERT INTO orders.outbox (tenant_id, id, aggregate, revision, last_by_type, type, version, data)
         SELECT $1, gen_random_uuid(), 'order/' || c.id, 1, '{}', e.type, e.version, jsonb_set(e.data, '{orderId}', to_jsonb(c.id))
         FROM orders.outbox e, copies c WHERE e.tenant_id = $1 AND e.aggregate = 'order/' || $2 AND e.type = 'orders.OrderPlaced'`,
      [busy.tenant, model, orders],
    )
  }

  const pending = async () => {
    const [row] = await product.database.admin<{ n: number }>(
      `SELECT count(*)::int AS n FROM orders."order" WHERE tenant_id = $1 AND status = 'PENDING'`,
      [busy.tenant],
    )
    return row!.n
  }

  it('let that of another overtake them', { timeout: 120_000 }, async () => {
    await placeAll()
    await until(async () => (await pending()) < orders)
    const waits: number[] = []
    for (let n = 0; n < 5; n++) {
      const began = performance.now()
      const order = await other.place({})
      await until(async () => (await other.status(order)) === 'CONFIRMED')
      waits.push(Math.round(performance.now() - began))
      await pause(1_000)
    }
    expect(await pending()).toBeGreaterThan(orders / 2) // they were in the way all the time
    expect(Math.max(...waits), waits.join(', ')).toBeLessThan(longest)
  })
})
