import type { LaneTransaction } from '@offshoot/data'
import type { HandlerContext } from '@offshoot/events'
import { OrderPlaced } from '@offshoot/orders/contract'
import { after, type OrderEvent, type OrderFacts } from './facts.ts'
import type { OrderOverview as OrderRow, PrismaClient } from './generated/prisma/client.ts'
import { Tally } from './tally.ts'

type Transaction = LaneTransaction<PrismaClient>

/**
 * Brings the projections up to these events. What an order counts for follows from its row alone, so that the sums change by the difference between what it counted
 * for before and counts for now: however the events come, the sums are those of the rows.
 */
export async function project({ tx }: Pick<HandlerContext<PrismaClient>, 'tx'>, events: OrderEvent[]): Promise<void> {
  const before = await known(tx, [...new Set(events.map(({ data }) => data.orderId as string))])
  const now = new Map(before)
  for (const event of events) now.set(event.data.orderId, after(now.get(event.data.orderId), event))
  await keep(tx, [...now.values()])

  const tally = new Tally()
  for (const [id, order] of now) {
    tally.count(before.get(id), -1)
    tally.count(order, 1)
  }
  await add(tx, tally)
}

/**
 * Forgets what can be told again: the orders whose placing is still among the events that were handled here. Older ones, and the demo's, are known from nowhere else
 * and stay as they are, with the sums that follow from them.
 */
export async function forget(tx: Transaction): Promise<void> {
  await tx.$executeRaw`
    delete from insights.order_overview o where o.tenant_id = ${tx.tenant}::uuid and exists (
      select from insights.inbox i where i.tenant_id = o.tenant_id and i.aggregate = 'order/' || o.id::text and i.type = ${OrderPlaced.name})`
  await tx.revenueDay.deleteMany()
  await tx.productSales.deleteMany()
  await tx.productRevenue.deleteMany()
  for (let last = ''; ; ) {
    const rows = await tx.orderOverview.findMany({
      where: { id: { gt: last || undefined } },
      orderBy: { id: 'asc' },
      take: page,
    })
    const tally = new Tally()
    for (const row of rows) tally.count(factsOf(row), 1)
    await add(tx, tally)
    if (rows.length < page) return
    last = rows.at(-1)!.id
  }
}

/** Rows that are read at a time. */
const page = 1_000

async function known(tx: Transaction, ids: string[]): Promise<Map<string, OrderFacts>> {
  const rows = await tx.orderOverview.findMany({ where: { id: { in: ids } } })
  return new Map(rows.map((row) => [row.id, factsOf(row)]))
}

function factsOf({
  tenantId: _,
  totalMinor,
  lines,
  status,
  placedAt,
  confirmedAt,
  updatedAt,
  ...row
}: OrderRow): OrderFacts {
  return {
    ...row,
    status: status as OrderFacts['status'],
    lines: lines as OrderFacts['lines'],
    minor: Number(totalMinor),
    placedAt: placedAt?.toISOString() ?? null,
    confirmedAt: confirmedAt?.toISOString() ?? null,
    updatedAt: updatedAt.toISOString(),
  }
}

async function keep(tx: Transaction, orders: OrderFacts[]): Promise<void> {
  await tx.$executeRaw`
    insert into insights.order_overview as o
      (tenant_id, id, status, customer, lines, total_minor, currency, cancel_reason, placed_at, confirmed_at, updated_at)
    select ${tx.tenant}::uuid, id, status, customer, lines, minor, currency, "cancelReason", "placedAt", "confirmedAt", "updatedAt"
    from jsonb_to_recordset(${JSON.stringify(orders)}::jsonb) as e(id uuid, status text, customer uuid, lines jsonb, minor bigint, currency text,
      "cancelReason" text, "placedAt" timestamptz, "confirmedAt" timestamptz, "updatedAt" timestamptz)
    on conflict (tenant_id, id) do update set status = excluded.status, customer = excluded.customer, lines = excluded.lines,
      total_minor = excluded.total_minor, currency = excluded.currency, cancel_reason = excluded.cancel_reason, placed_at = excluded.placed_at,
      confirmed_at = excluded.confirmed_at, updated_at = excluded.updated_at`
}

const json = (rows: ReadonlyMap<string, object>) =>
  JSON.stringify([...rows.values()], (_, value) => (typeof value === 'bigint' ? String(value) : value))

/** Last in the transaction, and in one order: many orders share these rows, which are locked from here to the commit. */
async function add(tx: Transaction, { days, products, revenues }: Tally): Promise<void> {
  if (days.size > 0)
    await tx.$executeRaw`
      insert into insights.revenue_day as r (tenant_id, day, currency, amount_minor, orders)
      select ${tx.tenant}::uuid, day, currency, minor, orders
      from jsonb_to_recordset(${json(days)}::jsonb) as e(day date, currency text, minor bigint, orders integer)
      order by day, currency
      on conflict (tenant_id, day, currency) do update set amount_minor = r.amount_minor + excluded.amount_minor, orders = r.orders + excluded.orders`
  if (products.size > 0)
    await tx.$executeRaw`
      insert into insights.product_sales as s (tenant_id, product_id, sku, name, named_at, units_sold)
      select ${tx.tenant}::uuid, product, sku, name, "namedAt", quantity
      from jsonb_to_recordset(${json(products)}::jsonb)
        as e(product uuid, sku text, name text, "namedAt" timestamptz, quantity bigint)
      order by product
      on conflict (tenant_id, product_id) do update set units_sold = s.units_sold + excluded.units_sold,
        (sku, name, named_at) = (select n.sku, n.name, n.at
          from (values (excluded.sku, excluded.name, excluded.named_at), (s.sku, s.name, s.named_at)) as n(sku, name, at)
          order by n.at desc, n.sku, n.name limit 1)`
  if (revenues.size > 0)
    await tx.$executeRaw`
      insert into insights.product_revenue as r (tenant_id, product_id, currency, amount_minor)
      select ${tx.tenant}::uuid, product, currency, minor
      from jsonb_to_recordset(${json(revenues)}::jsonb) as e(product uuid, currency text, minor bigint)
      order by product, currency
      on conflict (tenant_id, product_id, currency) do update set amount_minor = r.amount_minor + excluded.amount_minor`
}
