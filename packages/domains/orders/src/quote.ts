import { badInput, conflict, type InputOf } from '@offshoot/rpc'
import type { orders } from './contract.ts'
import type { OrdersContext } from './domain.ts'

type Lines = InputOf<typeof orders.calls.place>['lines']

export interface Quote {
  lines: { productId: string; sku: string; name: string; quantity: number; unitPriceMinor: bigint }[]
  totalMinor: bigint
  currency: string
}

const largest = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * What these lines cost now, as catalog says; asked once for all of them. Problems name the line by its number: the answer about another tenant's
 * product is the same, byte for byte, as about one that never existed.
 */
export async function quote({ clients }: OrdersContext, wanted: Lines): Promise<Quote> {
  const products = await clients.catalog.getMany({ ids: wanted.map(({ productId }) => productId) })
  const lines = wanted.map(({ productId, quantity }, line) => {
    const product = products[line]
    if (!product) throw badInput('PRODUCT_NOT_FOUND', `There is no such product as in line ${line + 1}.`, { line })
    if (product.archived)
      throw conflict('PRODUCT_ARCHIVED', `The product in line ${line + 1} is no longer sold.`, { line })
    const { sku, name, price } = product
    return { productId, sku, name, quantity, unitPriceMinor: BigInt(price.minor), currency: price.currency }
  })
  const { currency } = lines[0]!
  if (lines.some((line) => line.currency !== currency)) {
    throw badInput(
      'SEVERAL_CURRENCIES',
      'The products have prices in several currencies. Place an order for each currency.',
    )
  }
  const totalMinor = lines.reduce((sum, { unitPriceMinor, quantity }) => sum + unitPriceMinor * BigInt(quantity), 0n)
  if (totalMinor > largest) throw badInput('TOTAL_TOO_LARGE', 'The total is larger than an order can hold.')
  return { lines: lines.map(({ currency: _, ...line }) => line), totalMinor, currency }
}
