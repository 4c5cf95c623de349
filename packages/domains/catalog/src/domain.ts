import { join } from 'node:path'
import { type DomainContext, defineDomain } from '@offshoot/host'
import { archiveProduct } from './archive-product.ts'
import { catalog, StockLow, StockRejected, StockReserved } from './contract.ts'
import { createProduct } from './create-product.ts'
import { PrismaClient } from './generated/prisma/client.ts'
import { getProducts } from './get-products.ts'
import { graphql } from './graphql.ts'
import { reserveStock } from './handlers.ts'
import { listProducts } from './list-products.ts'
import { seed } from './seed.ts'
import { updateProduct } from './update-product.ts'

export type CatalogContext = DomainContext<PrismaClient>

export const catalogDomain = defineDomain({
  contract: catalog,
  data: { directory: join(import.meta.dirname, '../prisma'), globalTables: {} },
  prisma: (adapter) => new PrismaClient({ adapter }),
  calls: () => ({
    getMany: getProducts,
    list: listProducts,
    create: createProduct,
    update: updateProduct,
    archive: archiveProduct,
  }),
  graphql,
  emits: [StockReserved, StockRejected, StockLow],
  handlers: () => [reserveStock],
  seed,
})
