import { type InputOf, notFound } from '@offshoot/rpc'
import type { catalog, Product } from './contract.ts'
import { refuseTakenSku } from './create-product.ts'
import type { CatalogContext } from './domain.ts'
import { priceColumns, toProduct } from './product.ts'
import { searchable } from './search.ts'

/** Changes what the input names and leaves the rest. Orders keep what they sold, as it was. */
export async function updateProduct(
  ctx: CatalogContext,
  input: InputOf<typeof catalog.calls.update>,
): Promise<Product> {
  const { id, sku, name, description, price, stock } = input
  const change = ctx.db.transaction(async (tx) => {
    const product = await tx.product.lock(id) // what it is found by depends on name and SKU, and two may change one each
    if (!product) throw notFound('Product')
    const search = searchable(name ?? product.name, sku ?? product.sku)
    return tx.product.update({
      where: { id },
      data: { sku, name, description, ...(price && priceColumns(price)), stock, search },
    })
  })
  return toProduct(await change.catch(refuseTakenSku(sku)))
}
