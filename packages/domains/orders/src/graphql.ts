import { ProductEntity } from '@offshoot/catalog/contract'
import { pageArguments, pageOf, type SchemaPart } from '@offshoot/graphql'
import { UserEntity } from '@offshoot/identity/contract'
import type { OutputOf } from '@offshoot/rpc'
import { CancelReason, OrderEntity, OrderStatus, orders } from './contract.ts'

type Line = NonNullable<OutputOf<(typeof orders)['calls']['getMany']>[number]>['lines'][number]

/** Orders in the public schema. */
export const graphql: SchemaPart = ({ builder, entity, connection, Money }) => {
  const Status = builder.enumType('OrderStatus', { values: OrderStatus.options })

  const OrderLine = builder.objectRef<Line>('OrderLine').implement({
    description: 'What was sold, as it was when it was sold.',
    fields: (t) => ({
      sku: t.exposeString('sku'),
      name: t.exposeString('name'),
      quantity: t.exposeInt('quantity'),
      unitPrice: t.field({ type: Money, resolve: ({ unitPrice }) => unitPrice }),
      product: t.field({
        type: entity(ProductEntity),
        nullable: true,
        description: 'The product as it is now.',
        resolve: ({ productId }) => productId,
      }),
    }),
  })

  const Order = entity(OrderEntity)
  Order.implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      status: t.field({ type: Status, resolve: ({ status }) => status }),
      lines: t.field({ type: [OrderLine], resolve: ({ lines }) => lines }),
      total: t.field({ type: Money, resolve: ({ total }) => total }),
      placedBy: t.field({ type: entity(UserEntity), nullable: true, resolve: ({ placedBy }) => placedBy }),
      cancelReason: t.exposeString('cancelReason', {
        nullable: true,
        description: `Why it was cancelled: ${CancelReason.options.map((reason) => `\`${reason}\``).join(', ')}.`,
      }),
      createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    }),
  })

  builder.queryFields((t) => ({
    orders: t.field({
      type: connection(Order),
      nullable: true,
      description: 'Orders, newest first.',
      args: { ...pageArguments(t), status: t.arg({ type: Status }) },
      resolve: (_, { status, ...page }, context) =>
        context.client(orders).list({ ...pageOf(Order.name, page, context), status: status ?? undefined }),
    }),
    order: t.field({
      type: Order,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }) => id,
    }),
  }))

  const OrderLineInput = builder.inputType('OrderLineInput', {
    fields: (t) => ({ productId: t.id({ required: true }), quantity: t.int({ required: true }) }),
  })

  const PlaceOrderInput = builder.inputType('PlaceOrderInput', {
    fields: (t) => ({
      lines: t.field({ type: [OrderLineInput], required: true, description: 'All in one currency.' }),
      idempotencyKey: t.string({
        required: true,
        description:
          'Chosen by the caller, new for each order: sent again with the same input it answers with the same order.',
      }),
      paymentMethod: t.string({
        description:
          'How to pay. The demo knows the test cards `pm_ok` (also when nothing is said), `pm_declined`, `pm_timeout` and `pm_lost_answer`.',
      }),
    }),
  })

  builder.mutationFields((t) => ({
    placeOrder: t.field({
      type: Order,
      nullable: true,
      description:
        'Places an order at the prices of this moment. It is PENDING until its stock is reserved and its payment captured, then CONFIRMED or CANCELLED.',
      args: { input: t.arg({ type: PlaceOrderInput, required: true }) },
      resolve: (_, { input: { lines, idempotencyKey, paymentMethod } }, context) =>
        context
          .client(orders)
          .place({ lines: lines as never, idempotencyKey, paymentMethod: paymentMethod ?? undefined }),
    }),
    cancelOrder: t.field({
      type: Order,
      nullable: true,
      description:
        'Cancels an order, confirmed or not: what was reserved is released, what was paid is given back. May be sent again.',
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, context) => context.client(orders).cancel({ id: id as never }),
    }),
  }))
}
