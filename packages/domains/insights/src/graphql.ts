import { ProductEntity } from '@offshoot/catalog/contract'
import { pageArguments, pageOf, type SchemaPart } from '@offshoot/graphql'
import { UserEntity } from '@offshoot/identity/contract'
import { OrderEntity } from '@offshoot/orders/contract'
import type { OutputOf } from '@offshoot/rpc'
import { insights, type OrderOverview, ProductSalesEntity, type RevenueDay, type TopProduct } from './contract.ts'

/** What the orders come to, in the public schema. */
export const graphql: SchemaPart = ({ builder, entity, connection, Money }) => {
  const Status = 'OrderStatus' as never // of the orders' part

  const OrderOverviewType = builder.objectRef<OrderOverview>('OrderOverview').implement({
    description: 'An order at a glance. It follows the order within moments: see `insightsLag`.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'The order’s.' }),
      order: t.field({ type: entity(OrderEntity), nullable: true, resolve: ({ id }) => id }),
      status: t.field({ type: Status, resolve: ({ status }) => status as never }),
      customer: t.field({
        type: entity(UserEntity),
        nullable: true,
        description: 'Who placed it.',
        resolve: ({ customer }) => customer,
      }),
      productNames: t.exposeStringList('productNames', { description: 'As they were when they were sold.' }),
      total: t.field({ type: Money, resolve: ({ total }) => total }),
      cancelReason: t.exposeString('cancelReason', { nullable: true }),
      placedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ placedAt }) => placedAt }),
      updatedAt: t.field({ type: 'DateTime', resolve: ({ updatedAt }) => updatedAt }),
    }),
  })

  const RevenueDayType = builder.objectRef<RevenueDay>('RevenueDay').implement({
    description:
      'The orders that were confirmed on a day (UTC), in one currency. One that is cancelled later no longer counts.',
    fields: (t) => ({
      day: t.field({ type: 'Date', resolve: ({ day }) => day }),
      amount: t.field({ type: Money, resolve: ({ amount }) => amount }),
      orders: t.exposeInt('orders'),
    }),
  })

  const TopProductType = builder.objectRef<TopProduct>('TopProduct').implement({
    fields: (t) => ({
      product: t.field({ type: entity(ProductEntity), nullable: true, resolve: ({ product }) => product }),
      sku: t.exposeString('sku', { description: 'As the latest order has it.' }),
      name: t.exposeString('name', { description: 'As the latest order has it.' }),
      unitsSold: t.exposeInt('unitsSold', { description: 'In confirmed orders.' }),
      revenue: t.field({
        type: [Money],
        description: 'What they brought in, by currency.',
        resolve: ({ revenue }) => revenue,
      }),
    }),
  })

  const ProductSales = entity(ProductSalesEntity)
  ProductSales.implement({
    description: 'What is sold of a product in confirmed orders.',
    fields: (t) => ({
      unitsSold: t.exposeInt('unitsSold'),
      revenue: t.field({
        type: [Money],
        description: 'What they brought in, by currency.',
        resolve: ({ revenue }) => revenue,
      }),
    }),
  })
  builder.objectField(entity(ProductEntity), 'sales', (t) =>
    t.field({
      type: ProductSales,
      nullable: true,
      description: 'For owners and admins.',
      resolve: ({ id }) => id,
    }),
  )

  const Lag = builder.objectRef<OutputOf<(typeof insights)['calls']['lag']>>('InsightsLag').implement({
    fields: (t) => ({
      seconds: t.exposeFloat('seconds', {
        description: 'The age of the oldest event that has arrived and is not counted yet; 0 when all are.',
      }),
      waiting: t.exposeInt('waiting', { description: 'How many such events there are.' }),
    }),
  })

  builder.queryFields((t) => ({
    orderOverview: t.field({
      type: connection(OrderOverviewType),
      nullable: true,
      description: 'Orders at a glance, newest first. For owners and admins.',
      args: { ...pageArguments(t), status: t.arg({ type: Status }) },
      resolve: (_, { status, ...page }, context) =>
        context.client(insights).orderOverview({
          ...pageOf(OrderOverviewType.name, page, context),
          status: (status as OrderOverview['status'] | null) ?? undefined,
        }),
    }),
    revenueByDay: t.field({
      type: [RevenueDayType],
      nullable: true,
      description:
        'Revenue from the first to the last day, both included, at most 366 days apart; days without revenue are left out. For owners and admins.',
      args: { from: t.arg({ type: 'Date', required: true }), to: t.arg({ type: 'Date', required: true }) },
      resolve: (_, { from, to }, context) => context.client(insights).revenueByDay({ from, to }),
    }),
    topProducts: t.field({
      type: [TopProductType],
      nullable: true,
      description: 'The products of which the most units are sold, at most 100. For owners and admins.',
      args: { first: t.arg.int({ defaultValue: 10 }) },
      resolve: (_, { first }, context) => context.client(insights).topProducts({ first: Math.min(first ?? 10, 100) }),
    }),
    insightsLag: t.field({
      type: Lag,
      nullable: true,
      description: 'How far `orderOverview`, `revenueByDay` and `topProducts` are behind. For owners and admins.',
      resolve: (_, __, context) => context.client(insights).lag({}),
    }),
  }))
}
