import { ProductId } from '@offshoot/catalog/contract'
import { OrderId, OrderStatus } from '@offshoot/orders/contract'
import { defineContract, defineEntity, Money, page, pageInput, query, Timestamp, UserId } from '@offshoot/rpc'
import { z } from 'zod'

/** An order, and what a reader wants to know with it. */
export const OrderOverview = z.object({
  id: OrderId,
  status: OrderStatus,
  customer: UserId.nullable(),
  /** As they were sold, in the order of the lines. */
  productNames: z.array(z.string()),
  total: Money,
  cancelReason: z.string().nullable(),
  /** Null while only later events of the order have come. */
  placedAt: Timestamp.nullable(),
  updatedAt: Timestamp,
})
export type OrderOverview = z.infer<typeof OrderOverview>

/** The confirmed orders of a day (UTC) in one currency; an order that is cancelled after all no longer counts. */
export const RevenueDay = z.object({ day: z.iso.date(), amount: Money, orders: z.int() })
export type RevenueDay = z.infer<typeof RevenueDay>

/** What is sold of a product in confirmed orders, and what that brought in, by currency. */
export const ProductSales = z.object({ product: ProductId, unitsSold: z.int(), revenue: z.array(Money) })
export type ProductSales = z.infer<typeof ProductSales>

/** With SKU and name as the latest order has them. */
export const TopProduct = ProductSales.extend({ sku: z.string(), name: z.string() })
export type TopProduct = z.infer<typeof TopProduct>

const mostDays = 366
const days = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 86_400_000 + 1

export const insights = defineContract('insights', {
  actions: { 'insights:read': ['owner', 'admin'] },
  calls: {
    /** Newest first. `after` is a position in time and is not looked up. */
    orderOverview: query({
      action: 'insights:read',
      input: pageInput({ status: OrderStatus.optional() }),
      output: page(OrderOverview),
    }),
    /** From the first to the last day, both included; days without revenue are left out. */
    revenueByDay: query({
      action: 'insights:read',
      input: z
        .object({ from: z.iso.date(), to: z.iso.date() })
        .refine(({ from, to }) => days(from, to) >= 1, { path: ['to'], message: 'must not be before `from`' })
        .refine(({ from, to }) => days(from, to) <= mostDays, {
          path: ['to'],
          message: `must be at most ${mostDays} days from \`from\``,
        }),
      output: z.array(RevenueDay),
    }),
    /** The most units sold first. */
    topProducts: query({
      action: 'insights:read',
      input: z.object({ first: z.int().min(1).max(100) }),
      output: z.array(TopProduct),
    }),
    /** For each product, also for one of which nothing was sold, or that does not exist. */
    salesOfProducts: query({
      action: 'insights:read',
      input: z.object({ ids: z.array(ProductId).max(1_000) }),
      output: z.array(ProductSales),
    }),
    /** How far the projections are behind the events that have arrived: the age of the oldest that is not in them yet, and how many there are. */
    lag: query({
      action: 'insights:read',
      input: z.object({}),
      output: z.object({ seconds: z.number().min(0), waiting: z.int() }),
    }),
  },
})

/** `ProductSales` in the public schema, by the product's id. */
export const ProductSalesEntity = defineEntity('ProductSales', insights, 'salesOfProducts')
