import { type HandlerContext, handler, on } from '@offshoot/events'
import { OrderCancelled, OrderPlaced } from '@offshoot/orders/contract'
import type { PrismaClient } from './generated/prisma/client.ts'
import { release, reserve } from './stock.ts'

type Context = HandlerContext<PrismaClient>

/** Takes stock for orders, and gives it back: what is reserved is no longer part of a product's `stock`. */
export const reserveStock = handler('reserve-stock', [
  on(OrderPlaced, ({ tx }: Context, { data }) => reserve(tx, data)),
  on(OrderCancelled, ({ tx }: Context, { data: { orderId } }) => release(tx, orderId)),
])
