import { demo, demoId, type Seeding } from '@offshoot/host'
import type { TenantId } from '@offshoot/rpc'
import { demoOrders } from './demo.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { requestHash } from './request-hash.ts'

/** The demo's orders. Adds what is missing and leaves the rest as people changed it. */
export async function seed({ enter }: Seeding<PrismaClient>): Promise<void> {
  for (const { slug } of demo.tenants) {
    const orders = rowsOf(slug)
    await enter(demoId('tenant', slug) as TenantId).transaction(async (tx) => {
      await tx.order.createMany({ data: orders.map(({ lines: _, ...order }) => order), skipDuplicates: true })
      await tx.orderLine.createMany({ data: orders.flatMap(({ lines }) => lines), skipDuplicates: true })
    })
  }
}

function rowsOf(tenant: string) {
  const people = demo.users.filter(({ memberships }) => tenant in memberships)
  return demoOrders(tenant).map(({ key, idempotencyKey, total, status, createdAt, lines }, i) => {
    const id = demoId('order', key, createdAt)
    const rows = lines.map(({ product: { key, createdAt: since, sku, name, price }, quantity }, position) => ({
      orderId: id,
      position,
      productId: demoId('product', key, since),
      sku,
      name,
      quantity,
      unitPriceMinor: BigInt(price.minor),
    }))
    return {
      id,
      lines: rows,
      idempotencyKey,
      requestHash: requestHash({ lines: rows }),
      totalMinor: BigInt(total.minor),
      currency: total.currency,
      placedBy: demoId('user', people[i % people.length]!.email),
      status,
      cancelReason: status === 'CANCELLED' ? 'customer' : null,
      createdAt,
    }
  })
}
