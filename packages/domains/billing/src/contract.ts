import { defineEvent } from '@offshoot/events'
import { OrderId } from '@offshoot/orders/contract'
import { defineContract, defineEntity, id, Money, page, pageInput, query, Timestamp } from '@offshoot/rpc'
import { z } from 'zod'

export const PaymentId = id('PaymentId')
export type PaymentId = z.infer<typeof PaymentId>

/**
 * How far a payment is: PENDING until the provider has answered, then CAPTURED or FAILED. VOID: the order was cancelled before, and nothing was or will
 * be charged. REFUNDING: the order was cancelled after, and the provider is being asked to give the money back; REFUNDED when it did.
 */
export const PaymentStatus = z.enum(['PENDING', 'CAPTURED', 'FAILED', 'VOID', 'REFUNDING', 'REFUNDED'])
export type PaymentStatus = z.infer<typeof PaymentStatus>

/** Why a payment failed. `no-answer`: the provider did not say in time, and was told not to charge. */
export const PaymentFailure = z.enum(['declined', 'no-answer'])
export type PaymentFailure = z.infer<typeof PaymentFailure>

export const Payment = z.object({
  id: PaymentId,
  orderId: OrderId,
  status: PaymentStatus,
  amount: Money,
  failure: PaymentFailure.nullable(),
  createdAt: Timestamp,
})
export type Payment = z.infer<typeof Payment>

const managers = ['owner', 'admin'] as const

export const billing = defineContract('billing', {
  actions: { 'payment:read': managers },
  calls: {
    getMany: query({
      action: 'payment:read',
      input: z.object({ ids: z.array(PaymentId).max(1_000) }),
      output: z.array(Payment.nullable()),
    }),
    /** The payments of orders, in the order of the ids; null where billing has not heard of the order yet, or never will. */
    getByOrder: query({
      action: 'payment:read',
      input: z.object({ orderIds: z.array(OrderId).max(1_000) }),
      output: z.array(Payment.nullable()),
    }),
    /** Newest first. `after` is a position in time and is not looked up. */
    list: query({ action: 'payment:read', input: pageInput({}), output: page(Payment) }),
  },
})

/** `Payment` in the public schema. */
export const PaymentEntity = defineEntity('Payment', billing, 'getMany')

const about = { aggregate: 'payment', key: ({ paymentId }: { paymentId: PaymentId }) => paymentId }
const subject = { paymentId: PaymentId, orderId: OrderId, amount: Money }

/** A payment is to be captured. Billing's own: it asks the provider after the commit, outside of any transaction. */
export const PaymentRequested = defineEvent('billing.PaymentRequested', {
  version: 1,
  ...about,
  data: z.object(subject),
})

/** The money is there. */
export const PaymentCaptured = defineEvent('billing.PaymentCaptured', {
  version: 1,
  ...about,
  data: z.object(subject),
})

/** There will be no money. Nothing was charged. */
export const PaymentFailed = defineEvent('billing.PaymentFailed', {
  version: 1,
  ...about,
  data: z.object({ ...subject, failure: PaymentFailure }),
})

/** The order of a payment was cancelled: whatever was charged is to be given back, and nothing charged any more. Billing's own. */
export const RefundRequested = defineEvent('billing.RefundRequested', {
  version: 1,
  ...about,
  data: z.object(subject),
})

/** The money was given back. */
export const PaymentRefunded = defineEvent('billing.PaymentRefunded', {
  version: 1,
  ...about,
  data: z.object(subject),
})
