import type { InputOf } from '@offshoot/rpc'
import type { catalog, Product } from './contract.ts'
import type { Product as ProductRow } from './generated/prisma/client.ts'

/** A product as the contract shows it. */
export function toProduct(row: ProductRow): Product {
  const { id, sku, name, description, priceMinor, currency, stock, archived, createdAt } = row
  return {
    id: id as Product['id'],
    sku,
    name,
    description,
    price: { minor: Number(priceMinor), currency },
    stock,
    archived,
    createdAt: createdAt.toISOString(),
  }
}

/** The columns that hold a price. */
export function priceColumns({ minor, currency }: InputOf<typeof catalog.calls.create>['price']) {
  return { priceMinor: BigInt(minor), currency }
}
