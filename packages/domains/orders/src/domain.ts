import { join } from 'node:path'
import { catalog } from '@offshoot/catalog/contract'
import { type DomainContext, defineDomain } from '@offshoot/host'
import { cancelOrder } from './cancel-order.ts'
import { OrderCancelled, OrderConfirmed, OrderPlaced, orders } from './contract.ts'
import { finishStuckOrders } from './finish-stuck-orders.ts'
import { mergedLines } from './flags.ts'
import { PrismaClient } from './generated/prisma/client.ts'
import { getOrders } from './get-orders.ts'
import { graphql } from './graphql.ts'
import { saga } from './handlers.ts'
import { listOrders } from './list-orders.ts'
import { openOrders } from './open-orders.ts'
import { placeOrder } from './place-order.ts'
import { seed } from './seed.ts'

export type OrdersContext = DomainContext<PrismaClient, { catalog: typeof catalog }>

export const ordersDomain = defineDomain({
  contract: orders,
  data: { directory: join(import.meta.dirname, '../prisma'), globalTables: {} },
  prisma: (adapter) => new PrismaClient({ adapter }),
  uses: { catalog },
  calls: () => ({ getMany: getOrders, list: listOrders, place: placeOrder, cancel: cancelOrder }),
  flags: [mergedLines],
  graphql,
  emits: [OrderPlaced, OrderConfirmed, OrderCancelled],
  handlers: () => [saga],
  sagas: { 'place-order': openOrders },
  schedules: [{ name: 'finish-stuck-orders', cron: '* * * * *', run: finishStuckOrders }],
  seed,
})
