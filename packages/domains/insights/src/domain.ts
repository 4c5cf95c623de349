import { join } from 'node:path'
import { type DomainContext, defineDomain } from '@offshoot/host'
import { insights } from './contract.ts'
import { PrismaClient } from './generated/prisma/client.ts'
import { graphql } from './graphql.ts'
import { handlers } from './handlers.ts'
import { lag } from './lag.ts'
import { orderOverview } from './order-overview.ts'
import { salesOfProducts, topProducts } from './product-sales.ts'
import { revenueByDay } from './revenue-by-day.ts'
import { seed } from './seed.ts'

export type InsightsContext = DomainContext<PrismaClient>

export const insightsDomain = defineDomain<typeof insights, PrismaClient>({
  contract: insights,
  data: { directory: join(import.meta.dirname, '../prisma'), globalTables: {} },
  prisma: (adapter) => new PrismaClient({ adapter }),
  calls: () => ({ orderOverview, revenueByDay, topProducts, salesOfProducts, lag }),
  graphql,
  handlers: () => handlers,
  seed,
})
