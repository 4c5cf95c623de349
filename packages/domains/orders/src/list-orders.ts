import { type InputOf, type OutputOf, toPage } from '@offshoot/rpc'
import type { orders } from './contract.ts'
import type { OrdersContext } from './domain.ts'
import { withLines } from './order.ts'

/** A page of the tenant's orders, newest first; of those with `status` when it is given. */
export async function listOrders(
  ctx: OrdersContext,
  { first, after, status }: InputOf<typeof orders.calls.list>,
): Promise<OutputOf<typeof orders.calls.list>> {
  const rows = await ctx.db.order.findMany({
    where: { status, id: { lt: after } },
    orderBy: { id: 'desc' },
    take: first + 1,
  })
  const { items, more } = toPage(rows, first)
  return { items: await withLines(ctx.db, items), more }
}
