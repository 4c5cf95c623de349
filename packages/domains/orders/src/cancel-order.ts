import type { LaneTransaction } from '@offshoot/data'
import { type InputOf, notFound } from '@offshoot/rpc'
import { type CancelReason, type Order, OrderCancelled, type orders } from './contract.ts'
import type { OrdersContext } from './domain.ts'
import type { Order as OrderRow, PrismaClient } from './generated/prisma/client.ts'
import { about, withLines } from './order.ts'

/** Cancels an order, confirmed or not. Emits `OrderCancelled`: catalog releases, billing refunds. Idempotent. */
export async function cancelOrder(ctx: OrdersContext, { id }: InputOf<typeof orders.calls.cancel>): Promise<Order> {
  return ctx.db.transaction(async (tx) => {
    const order = await tx.order.lock(id) // cancels and the saga's answers meet here
    if (!order) throw notFound('Order')
    const [cancelled] = await withLines(tx, [await cancel(tx, order, 'customer')])
    return cancelled!
  })
}

/** Cancels an order that `tx` has locked, unless it is cancelled already: the first reason stays. */
export async function cancel(
  tx: LaneTransaction<PrismaClient>,
  order: OrderRow,
  reason: CancelReason,
): Promise<OrderRow> {
  if (order.status === 'CANCELLED') return order
  const cancelled = await tx.order.update({
    where: { id: order.id },
    data: { status: 'CANCELLED', cancelReason: reason },
  })
  tx.emit(OrderCancelled, { ...about(cancelled), reason })
  return cancelled
}
