import { conflict, type InputOf } from '@offshoot/rpc'
import { type Order, OrderPlaced, type orders } from './contract.ts'
import type { OrdersContext } from './domain.ts'
import { mergedLines } from './flags.ts'
import { assertOrderable, mergeLines } from './merge-lines.ts'
import { toOrder, withLines } from './order.ts'
import { quote } from './quote.ts'
import { requestHash } from './request-hash.ts'

type Input = InputOf<typeof orders.calls.place>

/**
 * Places an order at the prices of this moment. Emits `OrderPlaced`: catalog reserves, billing captures. A key that was used before answers with its order as it is now, and asks catalog
 * nothing: neither a new price nor an outage there changes what a repeated request gets.
 */
export async function placeOrder(ctx: OrdersContext, input: Input): Promise<Order> {
  const wanted = mergeLines(input.lines)
  const request = requestHash({ ...input, lines: wanted })
  const earlier = await placedBefore(ctx, input, request)
  if (earlier) return earlier

  assertOrderable(input.lines, wanted, ctx.flags.isEnabled(mergedLines))
  const { lines, ...price } = await quote(ctx, wanted)
  const placed = await ctx.db.transaction(async (tx) => {
    const { idempotencyKey, paymentMethod } = input
    // Whoever sends the same key meanwhile waits here for the outcome, and then inserts nothing.
    const [order] = await tx.order.createManyAndReturn({
      data: [{ ...price, placedBy: person(ctx), paymentMethod, idempotencyKey, requestHash: request }],
      skipDuplicates: true,
    })
    if (!order) return null
    const data = lines.map((line, position) => ({ orderId: order.id, position, ...line }))
    const placed = toOrder(order, await tx.orderLine.createManyAndReturn({ data }))
    tx.emit(OrderPlaced, {
      orderId: placed.id,
      placedBy: placed.placedBy,
      lines: placed.lines,
      total: placed.total,
      paymentMethod: paymentMethod ?? null,
    })
    return placed
  })
  const order = placed ?? (await placedBefore(ctx, input, request))
  if (!order) throw new Error('The order that has this idempotency key cannot be read.')
  return order
}

/** The order that this key made, or null; a conflict when it was made by a request for something else. */
async function placedBefore({ db }: OrdersContext, { idempotencyKey }: Input, request: string): Promise<Order | null> {
  const row = await db.order.findUnique({ where: { idempotencyKey } })
  if (!row) return null
  if (row.requestHash !== request) {
    throw conflict(
      'IDEMPOTENCY_KEY_REUSED',
      'This idempotency key was used for a different order. Use a new key for each order.',
    )
  }
  const [order] = await withLines(db, [row])
  return order!
}

/** Who places the order: a key acts for whoever made it. */
function person({ identity: { actor } }: OrdersContext): string {
  if (actor.kind === 'user') return actor.id
  if (actor.kind === 'key') return actor.user
  throw new Error(`An order cannot be placed by an actor of the kind '${actor.kind}'.`)
}
