import { type InputOf, notFound } from '@offshoot/rpc'
import type { catalog, Product } from './contract.ts'
import { refuseTakenSku } from './create-product.ts'
import type { CatalogContext } from './domain.ts'
import { priceColumns, toProduct } from './product.ts'
import { searchable } from './search.ts'
import { tellWhenLow } from './stock.ts'

/** Changes what the input names and leaves the rest. Orders keep what they sold, as it was. `stock` is what is left to sell: what is reserved is not in it. */
export async function updateProduct(
  ctx: CatalogContext,
  input: InputOf<typeof catalog.calls.update>,
): Promise<Product> {
  const { id, sku, name, description, price, stock } = input
  const change = ctx.db.transaction(async (tx) => {
    const product = await tx.product.lock(id) // what it is found by depends on name and SKU, and two may change one each
    if (!product) throw notFound('Product')
    const search = searchable(name ?? product.name, sku ?? product.sku)
    const changed = await tx.product.update({
      where: { id },
      data: { sku, name, description, ...(price && priceColumns(price)), stock, search },
    })
    tellWhenLow(tx, changed, product.stock)
    return changed
  })
  return toProduct(await change.catch(refuseTakenSku(sku)))
}
