import type { EventType, Received } from '@offshoot/events'
import { type OrderCancelled, OrderConfirmed, OrderPlaced } from '@offshoot/orders/contract'

type Data<Type> = Type extends EventType<infer D> ? D : never
export type OrderEvent = Received<Data<typeof OrderPlaced> | Data<typeof OrderConfirmed> | Data<typeof OrderCancelled>>

/** What is known of an order: the row of the overview. */
export interface OrderFacts {
  id: string
  status: 'PENDING' | 'CONFIRMED' | 'CANCELLED'
  customer: string | null
  lines: { product: string; sku: string; name: string; quantity: number; minor: number }[]
  minor: number
  currency: string
  cancelReason: string | null
  placedAt: string | null
  confirmedAt: string | null
  updatedAt: string
}

/**
 * An order after one more event. An event that comes without an earlier one (this domain may be younger than the order) adds what it tells; the earlier one
 * may still come, and changes no status then.
 */
export function after(known: OrderFacts | undefined, { type, time: emitted, data }: OrderEvent): OrderFacts {
  const { orderId, placedBy, total } = data
  const time = new Date(emitted).toISOString()
  const updatedAt = known && known.updatedAt > time ? known.updatedAt : time
  const order: OrderFacts = {
    status: 'PENDING',
    lines: [],
    cancelReason: null,
    placedAt: null,
    confirmedAt: null,
    ...known,
    id: orderId,
    customer: placedBy,
    minor: total.minor,
    currency: total.currency,
    updatedAt,
  }
  switch (type) {
    case OrderPlaced.name:
      return { ...order, placedAt: time, lines: (data as Data<typeof OrderPlaced>).lines.map(sold) }
    case OrderConfirmed.name:
      return { ...order, status: order.status === 'CANCELLED' ? 'CANCELLED' : 'CONFIRMED', confirmedAt: time }
    default:
      return { ...order, status: 'CANCELLED', cancelReason: (data as Data<typeof OrderCancelled>).reason }
  }
}

const sold = ({ productId, sku, name, quantity, unitPrice }: Data<typeof OrderPlaced>['lines'][number]) => ({
  product: productId,
  sku,
  name,
  quantity,
  minor: unitPrice.minor * quantity,
})
