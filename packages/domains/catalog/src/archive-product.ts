import { type InputOf, notFound } from '@offshoot/rpc'
import type { catalog, Product } from './contract.ts'
import type { CatalogContext } from './domain.ts'
import { toProduct } from './product.ts'

/** Takes a product off the list. Idempotent. */
export async function archiveProduct(
  ctx: CatalogContext,
  { id }: InputOf<typeof catalog.calls.archive>,
): Promise<Product> {
  const [row] = await ctx.db.product.updateManyAndReturn({ where: { id }, data: { archived: true } })
  if (!row) throw notFound('Product')
  return toProduct(row)
}
