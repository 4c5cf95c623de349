import type { LaneTables } from '@offshoot/data'
import type { Order } from './contract.ts'
import type { OrderLine as LineRow, Order as OrderRow, PrismaClient } from './generated/prisma/client.ts'

/** Orders as the contract shows them: the lines of all of them are read in one statement, however many orders there are. */
export async function withLines(db: LaneTables<PrismaClient>, rows: OrderRow[]): Promise<Order[]> {
  const lines = await db.orderLine.findMany({
    where: { orderId: { in: rows.map(({ id }) => id) } },
    orderBy: { position: 'asc' },
  })
  const linesOf = Map.groupBy(lines, ({ orderId }) => orderId)
  return rows.map((row) => toOrder(row, linesOf.get(row.id) ?? []))
}

/** An order as the contract shows it; `lines` are in the order of their positions. */
export function toOrder(row: OrderRow, lines: LineRow[]): Order {
  const { id, status, totalMinor, currency, placedBy, cancelReason, createdAt } = row
  return {
    id: id as Order['id'],
    status: status as Order['status'],
    lines: lines.map(({ productId, sku, name, quantity, unitPriceMinor }) => ({
      productId: productId as Order['lines'][number]['productId'],
      sku,
      name,
      quantity,
      unitPrice: { minor: Number(unitPriceMinor), currency },
    })),
    total: { minor: Number(totalMinor), currency },
    placedBy: placedBy as Order['placedBy'],
    cancelReason: cancelReason as Order['cancelReason'],
    createdAt: createdAt.toISOString(),
  }
}

/** What every later event of an order says of it. */
export function about({ id, placedBy, totalMinor, currency }: OrderRow) {
  return {
    orderId: id as Order['id'],
    placedBy: placedBy as Order['placedBy'],
    total: { minor: Number(totalMinor), currency },
  }
}
