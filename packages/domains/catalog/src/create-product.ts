import { isUniqueViolation } from '@offshoot/data'
import { conflict, type InputOf } from '@offshoot/rpc'
import type { catalog, Product } from './contract.ts'
import type { CatalogContext } from './domain.ts'
import { priceColumns, toProduct } from './product.ts'
import { searchable } from './search.ts'

/** Adds a product. */
export async function createProduct(
  ctx: CatalogContext,
  input: InputOf<typeof catalog.calls.create>,
): Promise<Product> {
  const { sku, name, description, price, stock } = input
  const row = await ctx.db.product
    .create({ data: { sku, name, description, ...priceColumns(price), stock, search: searchable(name, sku) } })
    .catch(refuseTakenSku(sku))
  return toProduct(row)
}

/** Tells of a SKU that another product has, an archived one perhaps; whoever comes second learns it, however close the race. */
export function refuseTakenSku(sku: string | undefined) {
  return (error: unknown): never => {
    if (isUniqueViolation(error, 'sku'))
      throw conflict('SKU_TAKEN', `Another product has the SKU ${JSON.stringify(sku)}.`)
    throw error
  }
}
