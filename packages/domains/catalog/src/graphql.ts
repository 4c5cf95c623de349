import { moneyOf, pageArguments, pageOf, type SchemaPart } from '@offshoot/graphql'
import { catalog, ProductEntity } from './contract.ts'

/** Products in the public schema. */
export const graphql: SchemaPart = ({ builder, entity, connection, Money, MoneyInput }) => {
  const Product = entity(ProductEntity)
  Product.implement({
    description: 'Something that is sold.',
    fields: (t) => ({
      id: t.exposeID('id'),
      sku: t.exposeString('sku', {
        description: 'The seller’s own number for it; no two products of an organization have the same.',
      }),
      name: t.exposeString('name'),
      description: t.exposeString('description', { nullable: true }),
      price: t.field({ type: Money, resolve: ({ price }) => price }),
      stock: t.exposeInt('stock'),
      archived: t.exposeBoolean('archived', { description: 'No longer sold, and on no list.' }),
      createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    }),
  })

  builder.queryFields((t) => ({
    products: t.field({
      type: connection(Product),
      nullable: true,
      description: 'Products that are not archived, newest first.',
      args: {
        ...pageArguments(t),
        search: t.arg.string({ description: 'A part of the name or of the SKU, in any case.' }),
      },
      resolve: (_, { search, ...page }, context) =>
        context.client(catalog).list({ ...pageOf(Product.name, page, context), search: search ?? undefined }),
    }),
    product: t.field({
      type: Product,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }) => id,
    }),
  }))

  const CreateProductInput = builder.inputType('CreateProductInput', {
    fields: (t) => ({
      sku: t.string({ required: true }),
      name: t.string({ required: true }),
      description: t.string(),
      price: t.field({ type: MoneyInput, required: true }),
      stock: t.int({ required: true }),
    }),
  })

  const UpdateProductInput = builder.inputType('UpdateProductInput', {
    description: 'What is left out stays as it is.',
    fields: (t) => ({
      id: t.id({ required: true }),
      sku: t.string(),
      name: t.string(),
      description: t.string({ description: 'Null takes it away.' }),
      price: t.field({ type: MoneyInput }),
      stock: t.int(),
    }),
  })

  builder.mutationFields((t) => ({
    createProduct: t.field({
      type: Product,
      nullable: true,
      args: { input: t.arg({ type: CreateProductInput, required: true }) },
      resolve: (_, { input: { description, price, ...input } }, context) =>
        context.client(catalog).create({ ...input, description: description ?? undefined, price: moneyOf(price) }),
    }),
    updateProduct: t.field({
      type: Product,
      nullable: true,
      args: { input: t.arg({ type: UpdateProductInput, required: true }) },
      resolve: (_, { input: { id, sku, name, description, price, stock } }, context) =>
        context.client(catalog).update({
          id: id as never,
          sku: sku ?? undefined,
          name: name ?? undefined,
          description,
          price: price ? moneyOf(price) : undefined,
          stock: stock ?? undefined,
        }),
    }),
    archiveProduct: t.field({
      type: Product,
      nullable: true,
      description: 'Takes a product off the lists; orders that have it keep it. May be sent again.',
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, context) => context.client(catalog).archive({ id: id as never }),
    }),
  }))
}
