import { pageArguments, pageOf, type SchemaPart } from '@offshoot/graphql'
import { OrderEntity } from '@offshoot/orders/contract'
import { billing, PaymentEntity, PaymentFailure, PaymentStatus } from './contract.ts'

/** Payments in the public schema, and the payment of an order. */
export const graphql: SchemaPart = ({ builder, entity, connection, Money }) => {
  const Status = builder.enumType('PaymentStatus', { values: PaymentStatus.options })
  const Order = entity(OrderEntity)
  const Payment = entity(PaymentEntity)

  Payment.implement({
    description: 'What an order costs, and how far it is paid.',
    fields: (t) => ({
      id: t.exposeID('id'),
      status: t.field({ type: Status, resolve: ({ status }) => status }),
      amount: t.field({ type: Money, resolve: ({ amount }) => amount }),
      failure: t.string({
        nullable: true,
        description: `Why it failed: ${PaymentFailure.options.map((failure) => `\`${failure}\``).join(' or ')}.`,
        resolve: ({ failure }) => failure,
      }),
      order: t.field({ type: Order, nullable: true, resolve: ({ orderId }) => orderId }),
      createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    }),
  })

  builder.queryFields((t) => ({
    payments: t.field({
      type: connection(Payment),
      nullable: true,
      description: 'Payments, newest first. For owners and admins.',
      args: pageArguments(t),
      resolve: (_, page, context) => context.client(billing).list(pageOf(Payment.name, page, context)),
    }),
  }))

  builder.objectField(Order, 'payment', (t) =>
    t.loadable({
      type: Payment,
      nullable: true,
      description: 'For owners and admins. Null while nothing is to be paid yet.',
      loaderOptions: { cache: false, maxBatchSize: 1_000 },
      load: (orderIds: string[], context) => context.client(billing).getByOrder({ orderIds: orderIds as never }),
      resolve: ({ id }) => id,
    }),
  )
}
