import type { ScheduleContext } from '@offshoot/host'
import type { TenantId } from '@offshoot/rpc'
import { cancel } from './cancel-order.ts'
import type { PrismaClient } from './generated/prisma/client.ts'

/** How long an order may be pending, in ms. It usually is for a fraction of a second. */
export const longestPending = 15 * 60_000

/** Orders of one tenant in one run: nobody's backlog takes another's turn. */
const perTenant = 100

/**
 * Cancels orders that have been pending for too long, whatever it was that kept the answers about them away. The cancellation releases and refunds
 * like any other, and an answer that comes later finds the order cancelled.
 */
export async function finishStuckOrders({
  system,
  enter,
}: Pick<ScheduleContext<PrismaClient>, 'system' | 'enter'>): Promise<void> {
  const stuck = { status: 'PENDING', createdAt: { lt: new Date(Date.now() - longestPending) } }
  const orders = system('orders that stand still are cancelled').order
  const tenants = await orders.groupBy({ by: ['tenantId'], where: stuck })
  for (const { tenantId } of tenants) {
    const rows = await orders.findMany({
      where: { ...stuck, tenantId },
      orderBy: { id: 'asc' },
      take: perTenant,
      select: { id: true },
    })
    const db = enter(tenantId as TenantId)
    for (const { id } of rows) {
      await db.transaction(async (tx) => {
        const order = await tx.order.lock(id)
        if (order?.status === 'PENDING') await cancel(tx, order, 'timed-out')
      })
    }
  }
}
