import type { InputOf } from '@offshoot/rpc'
import type { Order, orders } from './contract.ts'
import type { OrdersContext } from './domain.ts'
import { withLines } from './order.ts'

/** The orders with these ids, in the order of the ids; null for what this tenant does not have. */
export async function getOrders(
  ctx: OrdersContext,
  { ids }: InputOf<typeof orders.calls.getMany>,
): Promise<(Order | null)[]> {
  const rows = await ctx.db.order.findMany({ where: { id: { in: [...new Set(ids)] } } })
  const found = new Map((await withLines(ctx.db, rows)).map((order) => [order.id, order]))
  return ids.map((id) => found.get(id) ?? null)
}
