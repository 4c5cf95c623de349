import { demo, demoId, type Seeding } from '@offshoot/host'
import type { TenantId } from '@offshoot/rpc'
import { demoProducts } from './demo.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { priceColumns } from './product.ts'
import { searchable } from './search.ts'

/** The demo's products. Adds what is missing and leaves the rest as people changed it. */
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
    await enter(demoId('tenant', slug) as TenantId).product.createMany({ data, skipDuplicates: true })
  }
}
