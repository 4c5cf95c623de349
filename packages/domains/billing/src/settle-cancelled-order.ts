import type { LaneTransaction } from '@offshoot/data'
import type { Money } from '@offshoot/rpc'
import { RefundRequested } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { about, become } from './payment.ts'

/**
 * Sees to it that a cancelled order costs nothing, whatever became of its payment so far. One that has not begun never will. One that has, charged or on
 * its way, is closed at the provider, who then gives back what was charged and charges nothing any more: neither a capture under way nor one of a process
 * that is thought dead can be missed.
 */
export async function settleCancelledOrder(
  tx: LaneTransaction<PrismaClient>,
  { orderId, total }: { orderId: string; total: Money },
): Promise<void> {
  const { count } = await tx.payment.createMany({
    data: [{ orderId, status: 'VOID', amountMinor: BigInt(total.minor), currency: total.currency }],
    skipDuplicates: true,
  })
  if (count === 1) return
  const { id } = await tx.payment.findUniqueOrThrow({ where: { orderId }, select: { id: true } })
  const payment = await tx.payment.lock(id)
  if (payment?.status === 'PENDING') tx.emit(RefundRequested, about(await become(tx, payment, 'VOID')))
  if (payment?.status === 'CAPTURED') tx.emit(RefundRequested, about(await become(tx, payment, 'REFUNDING')))
}
