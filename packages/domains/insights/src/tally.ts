import type { OrderFacts } from './facts.ts'

/** By how much the sums change. Amounts are bigints: each order's is exact as a number, the sum of many may not be. */
export class Tally {
  readonly days = new Map<string, { day: string; currency: string; minor: bigint; orders: number }>()
  readonly products = new Map<
    string,
    { product: string; sku: string; name: string; namedAt: string; quantity: number }
  >()
  readonly revenues = new Map<string, { product: string; currency: string; minor: bigint }>()

  /** Counts a confirmed order, on the day on which it was confirmed; `sign` −1 takes it back. Other orders count for nothing. */
  count(order: OrderFacts | undefined, sign: 1 | -1): void {
    if (order?.status !== 'CONFIRMED') return
    const { currency, minor, confirmedAt } = order
    const day = confirmedAt!.slice(0, 10)
    const ofDay = entry(this.days, `${day} ${currency}`, () => ({ day, currency, minor: 0n, orders: 0 }))
    ofDay.minor += BigInt(sign * minor)
    ofDay.orders += sign
    for (const { product, sku, name, quantity, minor } of order.lines) {
      const namedAt = order.placedAt!
      const sales = entry(this.products, product, () => ({ product, sku, name, namedAt, quantity: 0 }))
      sales.quantity += sign * quantity
      if (namedAt > sales.namedAt) Object.assign(sales, { sku, name, namedAt })
      entry(this.revenues, `${product} ${currency}`, () => ({ product, currency, minor: 0n })).minor += BigInt(
        sign * minor,
      )
    }
  }
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}
