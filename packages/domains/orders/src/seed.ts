import { demoProducts } from '@offshoot/catalog/contract'
import { demo, demoId, type Seeding } from '@offshoot/host'
import type { TenantId } from '@offshoot/rpc'
import type { PrismaClient } from './generated/prisma/client.ts'
import { requestHash } from './request-hash.ts'

const first = Date.UTC(2026, 1, 2, 9)
const hour = 3_600_000

/** The demo's orders. Adds what is missing and leaves the rest as people changed it. */
export async function seed({ enter }: Seeding<PrismaClient>): Promise<void> {
  for (const { slug } of demo.tenants) {
    const orders = demoOrders(slug)
    await enter(demoId('tenant', slug) as TenantId).transaction(async (tx) => {
      await tx.order.createMany({ data: orders.map(({ lines: _, ...order }) => order), skipDuplicates: true })
      await tx.orderLine.createMany({ data: orders.flatMap(({ lines }) => lines), skipDuplicates: true })
    })
  }
}

/** 50 orders of one to four products each; every tenth was cancelled. */
function demoOrders(tenant: string) {
  const products = demoProducts(tenant)
  const people = demo.users.filter(({ memberships }) => tenant in memberships)
  return Array.from({ length: 50 }, (_, i) => {
    const createdAt = new Date(first + i * 7 * hour)
    const idempotencyKey = `demo-${i + 1}`
    const id = demoId('order', `${tenant}:${idempotencyKey}`, createdAt)
    const lines = Array.from({ length: 1 + (i % 4) }, (_, position) => {
      const { key, createdAt: since, sku, name, price } = products[(i * 13 + position * 37) % products.length]!
      const quantity = 1 + ((i + position) % 5)
      return {
        orderId: id,
        position,
        productId: demoId('product', key, since),
        sku,
        name,
        quantity,
        unitPriceMinor: BigInt(price.minor),
      }
    })
    const cancelled = i % 10 === 9
    return {
      id,
      lines,
      idempotencyKey,
      requestHash: requestHash({ lines }),
      totalMinor: lines.reduce((sum, { unitPriceMinor, quantity }) => sum + unitPriceMinor * BigInt(quantity), 0n),
      currency: products[0]!.price.currency,
      placedBy: demoId('user', people[i % people.length]!.email),
      status: cancelled ? 'CANCELLED' : 'PENDING',
      cancelReason: cancelled ? 'customer' : null,
      createdAt,
    }
  })
}
