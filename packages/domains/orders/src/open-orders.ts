import type { Saga } from '@offshoot/host'
import type { PrismaClient } from './generated/prisma/client.ts'

/** Orders that are neither confirmed nor cancelled yet. */
export const openOrders: Saga<PrismaClient> = async ({ order }) => {
  const { _count: open, _min } = await order.aggregate({
    where: { status: 'PENDING' },
    _count: true,
    _min: { createdAt: true },
  })
  return { open, since: _min.createdAt }
}
