import type { Lane } from '@offshoot/data'
import type { InputOf, OutputOf } from '@offshoot/rpc'
import type { insights, ProductSales, TopProduct } from './contract.ts'
import type { InsightsContext } from './domain.ts'
import type { PrismaClient } from './generated/prisma/client.ts'

type Calls = (typeof insights)['calls']

/** The products of which the most units are sold; of equals, the newest product. */
export async function topProducts(
  { db }: InsightsContext,
  { first }: InputOf<Calls['topProducts']>,
): Promise<OutputOf<Calls['topProducts']>> {
  const rows = await db.productSales.findMany({
    where: { unitsSold: { gt: 0 } },
    orderBy: [{ unitsSold: 'desc' }, { productId: 'desc' }],
    take: first,
  })
  const revenues = await revenuesOf(
    db,
    rows.map(({ productId }) => productId),
  )
  return rows.map(
    ({ productId, sku, name, unitsSold }) =>
      ({
        product: productId,
        sku,
        name,
        unitsSold: Number(unitsSold),
        revenue: revenues.get(productId) ?? [],
      }) as TopProduct,
  )
}

/** What is sold of each of these products, in the order of the ids. */
export async function salesOfProducts(
  { db }: InsightsContext,
  { ids }: InputOf<Calls['salesOfProducts']>,
): Promise<OutputOf<Calls['salesOfProducts']>> {
  const wanted = [...new Set(ids)]
  const [rows, revenues] = await Promise.all([
    db.productSales.findMany({ where: { productId: { in: wanted } }, select: { productId: true, unitsSold: true } }),
    revenuesOf(db, wanted),
  ])
  const units = new Map(rows.map(({ productId, unitsSold }) => [productId, Number(unitsSold)]))
  return ids.map((product) => ({ product, unitsSold: units.get(product) ?? 0, revenue: revenues.get(product) ?? [] }))
}

/** By product, then by currency. */
async function revenuesOf(db: Lane<PrismaClient>, products: string[]): Promise<Map<string, ProductSales['revenue']>> {
  const rows = await db.productRevenue.findMany({
    where: { productId: { in: products }, amountMinor: { not: 0 } },
    orderBy: { currency: 'asc' },
  })
  const revenues = Map.groupBy(rows, ({ productId }) => productId)
  return new Map(
    [...revenues].map(([product, rows]) => [
      product,
      rows.map(({ amountMinor, currency }) => ({ minor: Number(amountMinor), currency })),
    ]),
  )
}
