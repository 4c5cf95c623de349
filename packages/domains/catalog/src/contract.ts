import { defineEvent } from '@offshoot/events'
import {
  command,
  defineContract,
  defineEntity,
  id,
  Money,
  page,
  pageInput,
  query,
  Timestamp,
  text,
} from '@offshoot/rpc'
import { z } from 'zod'

export const ProductId = id('ProductId')
export type ProductId = z.infer<typeof ProductId>

const Sku = text(64)
const Name = text(200)
const Description = text(5_000)
const Price = Money.refine((price) => price.minor >= 0, { path: ['minor'], message: 'must not be negative' })
const Search = z
  .string()
  .max(200)
  .refine((search) => !search.includes('\0'), 'must not contain NUL')
const Stock = z.int().min(0).max(1_000_000_000)

export const Product = z.object({
  id: ProductId,
  sku: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  price: Money,
  stock: z.int(),
  archived: z.boolean(),
  createdAt: Timestamp,
})
export type Product = z.infer<typeof Product>

const everyone = ['owner', 'admin', 'member'] as const
const managers = ['owner', 'admin'] as const

export const catalog = defineContract('catalog', {
  actions: { 'product:read': everyone, 'product:write': managers },
  calls: {
    getMany: query({
      action: 'product:read',
      input: z.object({ ids: z.array(ProductId).max(1_000) }),
      output: z.array(Product.nullable()),
    }),
    /**
     * Products that are not archived, newest first; `search` finds parts of a name or SKU, whatever the case. `after` is a position in
     * time and is not looked up: an id that this tenant does not have, or has archived, is as good a position as any.
     */
    list: query({
      action: 'product:read',
      input: pageInput({ search: Search.optional() }),
      output: page(Product),
    }),
    create: command({
      action: 'product:write',
      input: z.object({ sku: Sku, name: Name, description: Description.optional(), price: Price, stock: Stock }),
      output: Product,
      reasons: { SKU_TAKEN: 'CONFLICT' },
    }),
    update: command({
      action: 'product:write',
      input: z.object({
        id: ProductId,
        sku: Sku.optional(),
        name: Name.optional(),
        description: Description.nullable().optional(),
        price: Price.optional(),
        stock: Stock.optional(),
      }),
      output: Product,
      reasons: { PRODUCT_NOT_FOUND: 'NOT_FOUND', SKU_TAKEN: 'CONFLICT' },
    }),
    /** Takes a product off the list; it stays readable by id, for the orders that have it. Idempotent. */
    archive: command({
      action: 'product:write',
      input: z.object({ id: ProductId }),
      output: Product,
      reasons: { PRODUCT_NOT_FOUND: 'NOT_FOUND' },
    }),
  },
})

export { type DemoProduct, demoProducts } from './demo.ts'

/** `Product` in the public schema. */
export const ProductEntity = defineEntity('Product', catalog, 'getMany')

// #region with orders
const aboutReservation = { aggregate: 'reservation', key: ({ orderId }: { orderId: string }) => orderId }

/** The stock of all lines of an order is reserved. Says what there is to be paid for, so that whoever is paid need know nothing else. */
export const StockReserved = defineEvent('catalog.StockReserved', {
  version: 1,
  ...aboutReservation,
  data: z.object({ orderId: z.uuid(), total: Money, paymentMethod: z.string().nullable() }),
})

/** There was not enough of these products; nothing is reserved. */
export const StockRejected = defineEvent('catalog.StockRejected', {
  version: 1,
  ...aboutReservation,
  data: z.object({ orderId: z.uuid(), productIds: z.array(ProductId) }),
})
// #endregion

/** A product is nearly sold out: its stock has fallen to or below the threshold. */
export const StockLow = defineEvent('catalog.StockLow', {
  version: 1,
  aggregate: 'product',
  key: ({ productId }) => productId,
  data: z.object({ productId: ProductId, sku: z.string(), name: z.string(), stock: z.int() }),
})
