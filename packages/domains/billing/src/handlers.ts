import { StockReserved } from '@offshoot/catalog/contract'
import { type HandlerContext, handler, on, onPrepared, type PreparationContext } from '@offshoot/events'
import { OrderCancelled } from '@offshoot/orders/contract'
import { PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentRequested, RefundRequested } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { localProvider } from './local-provider.ts'
import { about, amountOf, become, book } from './payment.ts'
import { capture, type Outcome, refund } from './provider.ts'
import { requestPayment } from './request-payment.ts'
import { settleCancelledOrder } from './settle-cancelled-order.ts'

type Context = HandlerContext<PrismaClient>
type Preparation = PreparationContext<PrismaClient, Record<never, never>>

/** What orders mean for payments. The two events come from different domains, in any order and at the same time: they meet at the payment. */
export const payments = handler('payments', [
  on(StockReserved, ({ tx }: Context, { data }) => requestPayment(tx, data)),
  on(OrderCancelled, ({ tx }: Context, { data }) => settleCancelledOrder(tx, data)),
])

/**
 * Captures. The provider is asked before the transaction, under the payment's id: whoever asks again after a crash gets the first answer. What a payment
 * became meanwhile is seen to by `refunds`.
 */
export const captures = handler('captures', [
  onPrepared(
    PaymentRequested,
    async ({ db }: Preparation, { data: { paymentId } }): Promise<Outcome | undefined> => {
      const payment = await db.payment.findUnique({ where: { id: paymentId } })
      if (payment?.status !== 'PENDING' || payment.method === null) return undefined
      return capture(localProvider(db), { key: paymentId, amount: amountOf(payment), method: payment.method })
    },
    async ({ tx }: Context, { data: { paymentId } }, outcome) => {
      const payment = await tx.payment.lock(paymentId)
      if (payment?.status !== 'PENDING' || !outcome) return
      if (outcome === 'captured') {
        await book(tx, payment, 'capture')
        tx.emit(PaymentCaptured, about(await become(tx, payment, 'CAPTURED')))
      } else {
        if (outcome === 'given-back') await book(tx, payment, 'capture', 'refund')
        const failure = outcome === 'declined' ? outcome : 'no-answer'
        tx.emit(PaymentFailed, { ...about(await become(tx, payment, 'FAILED', failure)), failure })
      }
    },
  ),
])

/** Refunds. A handler of its own: it does not wait for a capture of the same payment, which may hang or be dead. */
export const refunds = handler('refunds', [
  onPrepared(
    RefundRequested,
    ({ db }: Preparation, { data: { paymentId } }) => refund(localProvider(db), paymentId),
    async ({ tx }: Context, { data: { paymentId } }, outcome) => {
      const payment = await tx.payment.lock(paymentId)
      if (!payment || payment.status === 'REFUNDED') return
      if (outcome === 'refunded') {
        await book(tx, payment, 'capture', 'refund') // the capture may have ended unheard
        tx.emit(PaymentRefunded, about(await become(tx, payment, 'REFUNDED')))
      } else if (payment.status === 'REFUNDING')
        throw new Error(`The provider knows of no charge for payment ${paymentId}, which was captured.`)
    },
  ),
])
