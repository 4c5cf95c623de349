import { demo, demoId, type Seeding } from '@offshoot/host'
import { demoOrders } from '@offshoot/orders/contract'
import type { TenantId } from '@offshoot/rpc'
import type { PrismaClient } from './generated/prisma/client.ts'

/** Payments for the demo's confirmed orders, as if the local provider had charged them. Adds what is missing and leaves the rest. */
export async function seed({ enter }: Seeding<PrismaClient>): Promise<void> {
  for (const { slug } of demo.tenants) {
    const confirmed = demoOrders(slug).filter(({ status }) => status === 'CONFIRMED')
    const charges = confirmed.map(({ key, total, createdAt }) => ({
      id: demoId('payment', key, createdAt),
      amountMinor: BigInt(total.minor),
      currency: total.currency,
      createdAt,
    }))
    await enter(demoId('tenant', slug) as TenantId).transaction(async (tx) => {
      const payments = charges.map((charge, i) => {
        const { key, createdAt } = confirmed[i]!
        return { ...charge, orderId: demoId('order', key, createdAt), status: 'CAPTURED', method: 'pm_ok' }
      })
      await tx.payment.createMany({ data: payments, skipDuplicates: true })
      await tx.ledgerEntry.createMany({
        data: charges.map(({ id, ...money }) => ({ paymentId: id, kind: 'capture', ...money })),
        skipDuplicates: true,
      })
      await tx.providerCharge.createMany({
        data: charges.map((charge) => ({ ...charge, status: 'charged' })),
        skipDuplicates: true,
      })
    })
  }
}
