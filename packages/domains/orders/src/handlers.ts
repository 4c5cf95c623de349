import { PaymentCaptured, PaymentFailed } from '@offshoot/billing/contract'
import { StockRejected } from '@offshoot/catalog/contract'
import { type HandlerContext, handler, on } from '@offshoot/events'
import { cancel } from './cancel-order.ts'
import { type CancelReason, OrderConfirmed } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { about } from './order.ts'

type Context = HandlerContext<PrismaClient>

/**
 * How an order ends. The steps before are other domains': catalog reserves on `OrderPlaced` and releases on `OrderCancelled`, billing captures on
 * `StockReserved` and refunds on `OrderCancelled`. A payment that arrives at a cancelled order therefore needs nothing from here.
 */
export const saga = handler('saga', [
  on(StockRejected, (context: Context, { data }) => end(context, data.orderId, 'out-of-stock')),
  on(PaymentFailed, (context: Context, { data }) => end(context, data.orderId, 'payment-failed')),
  on(PaymentCaptured, async ({ tx }: Context, { data: { orderId } }) => {
    const order = await tx.order.lock(orderId)
    if (order?.status !== 'PENDING') return
    tx.emit(OrderConfirmed, about(await tx.order.update({ where: { id: orderId }, data: { status: 'CONFIRMED' } })))
  }),
])

async function end({ tx }: Context, orderId: string, reason: CancelReason): Promise<void> {
  const order = await tx.order.lock(orderId)
  if (order?.status === 'PENDING') await cancel(tx, order, reason)
}
