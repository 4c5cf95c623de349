import { ProductId } from '@offshoot/catalog/contract'
import { defineEvent } from '@offshoot/events'
import {
  command,
  defineContract,
  defineEntity,
  id,
  Money,
  page,
  pageInput,
  query,
  Timestamp,
  text,
  UserId,
} from '@offshoot/rpc'
import { z } from 'zod'

export const OrderId = id('OrderId')
export type OrderId = z.infer<typeof OrderId>

export const OrderStatus = z.enum(['PENDING', 'CONFIRMED', 'CANCELLED'])
export type OrderStatus = z.infer<typeof OrderStatus>

/** Why an order was cancelled. `timed-out`: nobody said in time whether it can be delivered and was paid. */
export const CancelReason = z.enum(['customer', 'out-of-stock', 'payment-failed', 'timed-out'])
export type CancelReason = z.infer<typeof CancelReason>

/** What was sold, as it was when it was sold. */
export const OrderLine = z.object({
  productId: ProductId,
  sku: z.string(),
  name: z.string(),
  quantity: z.int(),
  unitPrice: Money,
})

export const Order = z.object({
  id: OrderId,
  status: OrderStatus,
  lines: z.array(OrderLine),
  total: Money,
  placedBy: UserId.nullable(),
  cancelReason: CancelReason.nullable(),
  createdAt: Timestamp,
})
export type Order = z.infer<typeof Order>

const everyone = ['owner', 'admin', 'member'] as const

export const orders = defineContract('orders', {
  actions: { 'order:read': everyone, 'order:place': everyone, 'order:cancel': everyone },
  calls: {
    getMany: query({
      action: 'order:read',
      input: z.object({ ids: z.array(OrderId).max(1_000) }),
      output: z.array(Order.nullable()),
    }),
    /** Newest first. `after` is a position in time and is not looked up: an id that this tenant does not have is as good as any. */
    list: query({
      action: 'order:read',
      input: pageInput({ status: OrderStatus.optional() }),
      output: page(Order),
    }),
    /**
     * Places an order at the prices of this moment. The same `idempotencyKey` with the same input answers with the same order,
     * however often and however concurrently it is sent. The caller also needs `product:read`: prices are read on its behalf.
     *
     * A product on several lines is ordered in the sum of their quantities, or refused as INVALID_INPUT, as the flag `orders.merged-lines` says.
     *
     * The order is PENDING at first. Then stock is reserved and the payment captured, and it is CONFIRMED, or CANCELLED with the reason. Without a
     * `paymentMethod` the demo's payment provider charges the test card `pm_ok`.
     */
    place: command({
      action: 'order:place',
      input: z.object({
        lines: z
          .array(z.object({ productId: ProductId, quantity: z.int().min(1).max(10_000) }))
          .min(1)
          .max(100),
        idempotencyKey: text(200),
        paymentMethod: text(100).optional(),
      }),
      output: Order,
      reasons: {
        PRODUCT_NOT_FOUND: 'BAD_USER_INPUT',
        PRODUCT_ARCHIVED: 'CONFLICT',
        SEVERAL_CURRENCIES: 'BAD_USER_INPUT',
        TOTAL_TOO_LARGE: 'BAD_USER_INPUT',
        IDEMPOTENCY_KEY_REUSED: 'CONFLICT',
      },
    }),
    /** Cancels an order, confirmed or not: what was reserved is released, what was captured is refunded. Idempotent. */
    cancel: command({
      action: 'order:cancel',
      input: z.object({ id: OrderId }),
      output: Order,
      reasons: { ORDER_NOT_FOUND: 'NOT_FOUND' },
    }),
  },
})

export { type DemoOrder, demoOrders } from './demo.ts'

/** `Order` in the public schema. */
export const OrderEntity = defineEntity('Order', orders, 'getMany')

const about = { aggregate: 'order', key: ({ orderId }: { orderId: OrderId }) => orderId }

/** An order was placed; nothing is reserved and nothing is paid yet. */
export const OrderPlaced = defineEvent('orders.OrderPlaced', {
  version: 1,
  ...about,
  data: z.object({
    orderId: OrderId,
    placedBy: UserId.nullable(),
    lines: z.array(OrderLine),
    total: Money,
    paymentMethod: z.string().nullable(),
  }),
})

/** Stock is reserved and the payment captured. */
export const OrderConfirmed = defineEvent('orders.OrderConfirmed', {
  version: 1,
  ...about,
  data: z.object({ orderId: OrderId, placedBy: UserId.nullable(), total: Money }),
})

/** The order will not be delivered: whatever was reserved is released, whatever was captured is refunded. */
export const OrderCancelled = defineEvent('orders.OrderCancelled', {
  version: 1,
  ...about,
  data: z.object({ orderId: OrderId, placedBy: UserId.nullable(), total: Money, reason: CancelReason }),
})
