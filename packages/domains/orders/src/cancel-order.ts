import { conflict, type InputOf, notFound } from '@offshoot/rpc'
import type { Order, orders } from './contract.ts'
import type { OrdersContext } from './domain.ts'
import { withLines } from './order.ts'

/** Cancels an order that is still pending. Idempotent. */
export async function cancelOrder(ctx: OrdersContext, { id }: InputOf<typeof orders.calls.cancel>): Promise<Order> {
  return ctx.db.transaction(async (tx) => {
    let order = await tx.order.lock(id) // two cancels, and later a payment's answer, meet here
    if (!order) throw notFound('Order')
    if (order.status === 'CONFIRMED') throw conflict('NOT_CANCELLABLE', 'A confirmed order cannot be cancelled.')
    if (order.status === 'PENDING') {
      order = await tx.order.update({ where: { id }, data: { status: 'CANCELLED', cancelReason: 'customer' } })
    }
    const [cancelled] = await withLines(tx, [order])
    return cancelled!
  })
}
