import type { InputOf } from '@offshoot/rpc'
import type { catalog, Product } from './contract.ts'
import type { CatalogContext } from './domain.ts'
import { toProduct } from './product.ts'

/** The products with these ids, archived ones too, in the order of the ids; null for what this tenant does not have. */
export async function getProducts(
  ctx: CatalogContext,
  { ids }: InputOf<typeof catalog.calls.getMany>,
): Promise<(Product | null)[]> {
  const rows = await ctx.db.product.findMany({ where: { id: { in: [...new Set(ids)] } } })
  const products = new Map(rows.map((row) => [row.id, toProduct(row)]))
  return ids.map((id) => products.get(id) ?? null)
}
