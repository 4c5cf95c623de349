import type { LaneTransaction } from '@offshoot/data'
import type { Money } from '@offshoot/rpc'
import { ProductId, StockLow, StockRejected, StockReserved } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'

type Transaction = LaneTransaction<PrismaClient>

/** Stock that is nearly gone: when it falls to this or below, `StockLow` says so. */
export const lowStock = 10

/** An order, as far as stock goes. */
export interface Wanted {
  orderId: string
  lines: readonly { productId: string; quantity: number }[]
  total: Money
  paymentMethod: string | null
}

/** Takes the stock of all lines of an order, or of none. Does nothing for an order that it has heard of before. */
export async function reserve(tx: Transaction, { orderId, lines, total, paymentMethod }: Wanted): Promise<void> {
  if (await tx.reservation.findUnique({ where: { id: orderId } })) return
  const stocks = await lockProducts(
    tx,
    lines.map(({ productId }) => productId),
  )
  const missing = lines.filter(({ productId, quantity }) => (stocks.get(productId) ?? 0) < quantity)
  if (missing.length > 0) {
    await tx.reservation.create({ data: { id: orderId, status: 'rejected' } })
    tx.emit(StockRejected, { orderId, productIds: missing.map(({ productId }) => ProductId.parse(productId)) })
    return
  }
  await tx.reservation.create({ data: { id: orderId, status: 'held' } })
  await tx.reservationLine.createMany({
    data: lines.map(({ productId, quantity }) => ({ reservationId: orderId, productId, quantity })),
  })
  const left = await move(tx, orderId, -1)
  tx.emit(StockReserved, { orderId, total, paymentMethod })
  for (const product of left) tellWhenLow(tx, product, stocks.get(product.id)!)
}

/** Gives back what an order holds, once; remembers an order that holds nothing, so that it never will. */
export async function release(tx: Transaction, orderId: string): Promise<void> {
  const reservation = await tx.reservation.lock(orderId)
  if (!reservation) await tx.reservation.create({ data: { id: orderId, status: 'released' } })
  if (reservation?.status !== 'held') return
  const lines = await tx.reservationLine.findMany({ where: { reservationId: orderId } })
  await lockProducts(
    tx,
    lines.map(({ productId }) => productId),
  )
  await move(tx, orderId, 1)
  await tx.reservation.update({ where: { id: orderId }, data: { status: 'released' } })
}

/** Tells when a change of stock has brought it to the threshold or below. */
export function tellWhenLow(
  tx: Transaction,
  { id, sku, name, stock }: { id: string; sku: string; name: string; stock: number },
  before: number,
): void {
  if (before > lowStock && stock <= lowStock) {
    tx.emit(StockLow, { productId: ProductId.parse(id), sku, name, stock })
  }
}

/** The stock of products, which are locked in the order of their ids: two orders with the same products wait for each other, and not in a circle. */
async function lockProducts(tx: Transaction, ids: readonly string[]): Promise<Map<string, number>> {
  const rows = await tx.$queryRaw<{ id: string; stock: number }[]>`
    SELECT id::text, stock FROM catalog.product WHERE tenant_id = ${tx.tenant}::uuid AND id = ANY (${ids}::uuid[]) ORDER BY id FOR UPDATE`
  return new Map(rows.map(({ id, stock }) => [id, stock]))
}

/** Adds the lines of a reservation to the stock (1), or takes them from it (−1). */
function move(
  tx: Transaction,
  orderId: string,
  sign: 1 | -1,
): Promise<{ id: string; sku: string; name: string; stock: number }[]> {
  return tx.$queryRaw`
    UPDATE catalog.product p SET stock = p.stock + ${sign}::int * l.quantity FROM catalog.reservation_line l
    WHERE p.tenant_id = ${tx.tenant}::uuid AND l.tenant_id = p.tenant_id AND l.reservation_id = ${orderId}::uuid AND p.id = l.product_id
    RETURNING p.id::text, p.sku, p.name, p.stock`
}
