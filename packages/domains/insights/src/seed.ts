import { demo, demoId, type Seeding } from '@offshoot/host'
import { demoOrders, OrderCancelled, OrderConfirmed, OrderPlaced } from '@offshoot/orders/contract'
import type { TenantId } from '@offshoot/rpc'
import type { OrderEvent } from './facts.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { project } from './project.ts'

/** The projections of the demo's orders, as if their events had come. Adds the orders that are missing and leaves the rest as it is. */
export async function seed({ enter }: Seeding<PrismaClient>): Promise<void> {
  for (const { slug } of demo.tenants) {
    const tenant = demoId('tenant', slug) as TenantId
    const events = eventsOf(slug, tenant)
    await enter(tenant).transaction(async (tx) => {
      const known = await tx.orderOverview.findMany({ where: { id: { in: events.map(idOf) } }, select: { id: true } })
      const ids = new Set(known.map(({ id }) => id))
      await project(
        { tx },
        events.filter((event) => !ids.has(idOf(event))),
      )
    })
  }
}

const idOf = ({ data }: OrderEvent): string => data.orderId

function eventsOf(slug: string, tenant: TenantId): OrderEvent[] {
  const people = demo.users.filter(({ memberships }) => slug in memberships)
  return demoOrders(slug).flatMap(({ key, lines, total, status, createdAt }, i) => {
    const order = {
      orderId: demoId('order', key, createdAt),
      placedBy: demoId('user', people[i % people.length]!.email),
      total,
    }
    const sold = lines.map(({ product: { key, createdAt: since, sku, name, price }, quantity }) => ({
      productId: demoId('product', key, since),
      sku,
      name,
      quantity,
      unitPrice: price,
    }))
    const time = createdAt.toISOString()
    const [ended, outcome] =
      status === 'CONFIRMED' ? [OrderConfirmed, order] : [OrderCancelled, { ...order, reason: 'customer' }]
    return [
      { type: OrderPlaced.name, data: { ...order, lines: sold, paymentMethod: null } },
      { type: ended.name, data: outcome },
    ].map(({ type, data }) => ({ id: demoId(type, key, createdAt), type, time, tenant, data }) as OrderEvent)
  })
}
