import { demoProducts } from '@offshoot/catalog/contract'

/** An order of the demo, as plain data. Its id is `demoId('order', key, createdAt)`. */
export interface DemoOrder {
  key: string
  idempotencyKey: string
  lines: { product: ReturnType<typeof demoProducts>[number]; quantity: number }[]
  total: { minor: number; currency: string }
  status: 'CONFIRMED' | 'CANCELLED'
  createdAt: Date
}

const first = Date.UTC(2026, 1, 2, 9)
const hour = 3_600_000

/** The 50 orders of a demo tenant, of one to four products each; every tenth was cancelled. The same each time, so that the demo data of other domains can refer to them. */
export function demoOrders(tenant: string): DemoOrder[] {
  const products = demoProducts(tenant)
  return Array.from({ length: 50 }, (_, i) => {
    const idempotencyKey = `demo-${i + 1}`
    const lines = Array.from({ length: 1 + (i % 4) }, (_, position) => ({
      product: products[(i * 13 + position * 37) % products.length]!,
      quantity: 1 + ((i + position) % 5),
    }))
    return {
      key: `${tenant}:${idempotencyKey}`,
      idempotencyKey,
      lines,
      total: {
        minor: lines.reduce((sum, { product, quantity }) => sum + product.price.minor * quantity, 0),
        currency: products[0]!.price.currency,
      },
      status: i % 10 === 9 ? 'CANCELLED' : 'CONFIRMED',
      createdAt: new Date(first + i * 7 * hour),
    }
  })
}
