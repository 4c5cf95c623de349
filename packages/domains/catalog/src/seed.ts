import { demo, demoId, type Seeding } from '@offshoot/host'
import { demoOrders } from '@offshoot/orders/contract'
import type { TenantId } from '@offshoot/rpc'
import { demoProducts } from './demo.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { priceColumns } from './product.ts'
import { searchable } from './search.ts'

/** The demo's products, and what its orders have reserved of them. Adds what is missing and leaves the rest as people changed it. */
export async function seed({ enter }: Seeding<PrismaClient>): Promise<void> {
  for (const { slug } of demo.tenants) {
    const data = demoProducts(slug).map(({ key, sku, name, description, price, stock, createdAt }) => ({
      id: demoId('product', key, createdAt),
      sku,
      name,
      description,
      ...priceColumns(price),
      stock,
      search: searchable(name, sku),
      createdAt,
    }))
    const held = demoOrders(slug)
      .filter(({ status }) => status === 'CONFIRMED')
      .map(({ key, lines, createdAt }) => ({ id: demoId('order', key, createdAt), lines, createdAt }))
    await enter(demoId('tenant', slug) as TenantId).transaction(async (tx) => {
      await tx.product.createMany({ data, skipDuplicates: true })
      await tx.reservation.createMany({
        data: held.map(({ id, createdAt }) => ({ id, status: 'held', createdAt })),
        skipDuplicates: true,
      })
      await tx.reservationLine.createMany({
        data: held.flatMap(({ id, lines }) =>
          lines.map(({ product, quantity }) => ({
            reservationId: id,
            productId: demoId('product', product.key, product.createdAt),
            quantity,
          })),
        ),
        skipDuplicates: true,
      })
    })
  }
}
