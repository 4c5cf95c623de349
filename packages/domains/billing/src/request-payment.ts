import type { LaneTransaction } from '@offshoot/data'
import type { Money } from '@offshoot/rpc'
import { PaymentRequested } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { about } from './payment.ts'

/** What an order that names no way to pay is paid with: the demo's card that is always charged. */
const defaultMethod = 'pm_ok'

/** Begins the payment of an order, unless there is one: then it was begun before, or the order was cancelled before (`VOID`). */
export async function requestPayment(
  tx: LaneTransaction<PrismaClient>,
  { orderId, total, paymentMethod }: { orderId: string; total: Money; paymentMethod: string | null },
): Promise<void> {
  const [payment] = await tx.payment.createManyAndReturn({
    data: [
      {
        orderId,
        status: 'PENDING',
        amountMinor: BigInt(total.minor),
        currency: total.currency,
        method: paymentMethod ?? defaultMethod,
      },
    ],
    skipDuplicates: true,
  })
  if (payment) tx.emit(PaymentRequested, about(payment))
}
