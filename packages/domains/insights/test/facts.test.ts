import { OrderCancelled, OrderConfirmed, OrderPlaced } from '@offshoot/orders/contract'
import { describe, expect, it } from 'vitest'
import { after, type OrderEvent, type OrderFacts } from '../src/facts.ts'
import { Tally } from '../src/tally.ts'

const total = { minor: 900, currency: 'EUR' }
const order = { orderId: '019b76da-a800-7000-8000-000000000001', placedBy: null, total }
const line = {
  productId: '019b76da-a800-7000-8000-000000000002',
  sku: 'P',
  name: 'Pen',
  quantity: 3,
  unitPrice: { minor: 300, currency: 'EUR' },
}
const event = (type: string, time: string, data: object) =>
  ({ id: type, type, time, tenant: 't', data }) as unknown as OrderEvent
const placed = event(OrderPlaced.name, '2026-01-31T23:59:59.999+00:00', {
  ...order,
  lines: [line],
  paymentMethod: null,
})
const confirmed = event(OrderConfirmed.name, '2026-02-01T00:30:00+01:00', order)
const cancelled = event(OrderCancelled.name, '2026-02-03T00:00:00+00:00', { ...order, reason: 'customer' })
const known = (...events: OrderEvent[]) => events.reduce<OrderFacts | undefined>(after, undefined)!
const counted = (...orders: OrderFacts[]) => {
  const tally = new Tally()
  for (const facts of orders) tally.count(facts, 1)
  return {
    days: [...tally.days.values()],
    products: [...tally.products.values()],
    revenues: [...tally.revenues.values()],
  }
}

describe('what is known of an order', () => {
  it('is the same in whichever order its events come', () => {
    const facts = known(placed, confirmed, cancelled)
    expect(facts).toMatchObject({
      status: 'CANCELLED',
      placedAt: '2026-01-31T23:59:59.999Z',
      confirmedAt: '2026-01-31T23:30:00.000Z',
      updatedAt: '2026-02-03T00:00:00.000Z',
    })
    expect(known(cancelled, confirmed, placed)).toEqual(facts)
    expect(known(confirmed, cancelled, placed)).toEqual(facts)
    expect(known(cancelled, placed, confirmed)).toEqual(facts)
  })

  it('counts once it is confirmed, on the UTC day of that, and no longer once it is cancelled', () => {
    expect(counted(known(placed))).toEqual({ days: [], products: [], revenues: [] })
    expect(counted(known(placed, confirmed))).toEqual({
      days: [{ day: '2026-01-31', currency: 'EUR', minor: 900n, orders: 1 }],
      products: [{ product: line.productId, sku: 'P', name: 'Pen', quantity: 3, namedAt: '2026-01-31T23:59:59.999Z' }],
      revenues: [{ product: line.productId, currency: 'EUR', minor: 900n }],
    })
    expect(counted(known(placed, confirmed, cancelled))).toEqual({ days: [], products: [], revenues: [] })
  })

  it('adds up exactly, also beyond what a number holds', () => {
    const large = { ...known(placed, confirmed), minor: Number.MAX_SAFE_INTEGER }
    expect(counted(large, large, large).days[0]!.minor).toBe(3n * BigInt(Number.MAX_SAFE_INTEGER))
  })
})
