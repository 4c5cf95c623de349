import { defineContract, defineEntity, internal, notFound, query, TenantId } from '@offshoot/rpc'
import { inSpan } from '@offshoot/telemetry'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { buildSchema, createGraphQLServer, type SchemaPart } from '../src/index.ts'

const recording = recordTelemetry()
beforeEach(() => recording.reset())

const acme = TenantId.parse('01890000-0000-7000-8000-00000000000a')
const id = (n: number) => `01890000-0000-7000-8000-${String(n).padStart(12, '0')}`

const shop = defineContract('shop', {
  actions: { read: ['owner'] },
  calls: {
    products: query({
      action: 'read',
      input: z.object({ ids: z.array(z.string()) }),
      output: z.array(z.object({ id: z.string() }).nullable()),
    }),
  },
})
const ProductEntity = defineEntity('Product', shop, 'products')

/** Orders with a product each, of which the tenth is nobody's, and fields that fail. */
const part: SchemaPart = ({ builder, entity }) => {
  const product = entity(ProductEntity)
  product.implement({ fields: (t) => ({ id: t.exposeID('id'), label: t.string({ resolve: ({ id }) => `#${id}` }) }) })
  const order = builder.objectRef<{ product: string; late: boolean }>('Order').implement({
    fields: (t) => ({
      product: t.field({ type: product, nullable: true, resolve: ({ product }) => product }),
      note: t.string({ resolve: ({ late }) => (late ? Promise.resolve('late') : 'read') }),
      stock: t.int({ resolve: () => inSpan('rpc.call', 'shop.stock', {}, async () => 1) }),
      parcel: t.string({
        nullable: true,
        resolve: async ({ product }) => {
          if (product === id(1)) throw internal('S3CRET')
          return 'sent'
        },
      }),
    }),
  })
  builder.queryField('orders', (t) =>
    t.field({
      type: [order],
      nullable: true,
      args: { first: t.arg.int({ required: true }), late: t.arg.boolean() },
      resolve: async (_, { first, late }) =>
        Array.from({ length: first }, (_, n) => ({ product: id(n), late: late === true })),
    }),
  )
  builder.queryField('products', (t) =>
    t.field({ type: [product], nullable: true, resolve: () => [id(1), id(2)] as never }),
  )
  builder.queryField('missing', (t) => t.string({ nullable: true, resolve: () => Promise.reject(notFound('Order')) }))
  builder.queryField('broken', (t) => t.string({ nullable: true, resolve: () => Promise.reject(internal('S3CRET')) }))
  builder.queryField('version', (t) => t.string({ nullable: true, resolve: () => '1' }))
  builder.mutationField('ping', (t) => t.string({ nullable: true, resolve: async () => 'pong' }))
}

const serverOf = (production: boolean) =>
  createGraphQLServer({
    schema: buildSchema([part]),
    path: '/graphql',
    production,
    context: async () => ({
      requestId: 'r',
      tenant: acme,
      plan: 'pro',
      viewer: () => null,
      client: () =>
        ({
          products: ({ ids }: { ids: string[] }) =>
            inSpan('rpc.call', 'shop.products', {}, async () => ids.map((id) => ({ id }))),
        }) as never,
    }),
    onUnexpected() {},
  })
const [development, production] = [serverOf(false), serverOf(true)]

async function ask(document: string, { server = development, operationName = undefined as string | undefined } = {}) {
  const response = await server.fetch(
    'http://localhost/graphql',
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: document, operationName }),
    },
    {} as never,
  )
  return (await response.json()) as { data?: any; errors?: { extensions: Record<string, unknown> }[] }
}

const named = (name: string) => recording.spans().filter((span) => span.name === name)
const only = (name: string) => {
  expect(recording.spans().map((span) => span.name)).toContain(name)
  return named(name)[0]!
}
/** The recorded spans as a tree: `name path`, indented. */
function tree(parent?: string): string[] {
  return recording
    .spans()
    .filter((span) => span.parentSpanContext?.spanId === parent)
    .flatMap((span) => {
      const path = span.attributes['graphql.field.path']
      const line = path === undefined ? span.name : `${span.name} at ${path}`
      return [line, ...tree(span.spanContext().spanId).map((below) => `  ${below}`)]
    })
}
const operationSeries = async () =>
  (await recording.metrics())['graphql.server.operation.duration']!.map(({ labels }) => labels)

describe('an operation, traced', () => {
  it('is a span around the fields that do work, and these around what they do', async () => {
    await ask('query Orders { version orders(first: 2) { product { id label } } }')
    expect(tree()).toEqual([
      'query Orders',
      '  resolve Query.orders at orders',
      '  resolve Order.product at orders.0.product',
      '    shop.products', // for both: the second only waits for it
    ])
    expect(only('query Orders').attributes).toEqual({
      'graphql.operation.type': 'query',
      'graphql.operation.name': 'Orders',
      'graphql.document.hash': expect.stringMatching(/^[0-9a-f]{64}$/),
      'tenant.id': acme,
    })
  })

  it('has spans of fields that answer with a list of what is still to come', async () => {
    await ask('{ products { id } }')
    expect(tree()).toEqual(['query', '  resolve Query.products at products', '    shop.products'])
  })

  it('is named by its type when it has no name, and by neither when it cannot be read', async () => {
    await ask('mutation { ping }')
    await ask('query A { version } mutation B { ping }', { operationName: 'B' })
    await ask('{')
    expect(named('mutation')).toHaveLength(1)
    expect(named('mutation B')).toHaveLength(1)
    expect(only('GraphQL Operation').attributes).toEqual({ 'error.type': 'BAD_USER_INPUT' })
  })

  it('has at most 100 characters of a name, and nothing of its document', async () => {
    await ask(`query ${'N'.repeat(5_000)} { version canary: version }`)
    const [span] = recording.spans()
    expect(span!.name).toBe(`query ${'N'.repeat(100)}`)
    expect(JSON.stringify(span!.attributes)).not.toContain('canary')
  })

  it('has a span of each field that does work of its own', async () => {
    await ask('{ orders(first: 2) { stock } }')
    expect(tree()).toEqual([
      'query',
      '  resolve Query.orders at orders',
      '  resolve Order.stock at orders.0.stock',
      '    shop.stock',
      '  resolve Order.stock at orders.1.stock',
      '    shop.stock',
    ])
  })

  it('has a span of each field that fails', async () => {
    await ask('{ orders(first: 3) { parcel } }')
    const fields = named('resolve Order.parcel').map(({ attributes, status }) => [
      attributes['graphql.field.path'],
      status.code,
    ])
    expect(fields.toSorted()).toEqual([
      ['orders.0.parcel', 0],
      ['orders.1.parcel', 2],
    ])
  })

  it('shows some of the fields of a long list, and not all', async () => {
    const { data } = await ask('{ orders(first: 50) { stock } }')
    expect(data.orders).toHaveLength(50)
    expect(named('resolve Order.stock')).toHaveLength(5)
    expect(named('shop.stock')).toHaveLength(50)
  })

  it('finds the field that waits after it has only read for long', async () => {
    for (let n = 0; n < 5; n++) await ask('query Reads { orders(first: 50) { note } }')
    expect(named('resolve Order.note')).toHaveLength(0)
    for (const name of ['First', 'Second']) await ask(`query ${name} { orders(first: 1, late: true) { note } }`)
    expect(named('resolve Order.note').map((span) => span.attributes['graphql.field.path'])).toEqual([
      'orders.0.note',
      'orders.0.note',
    ])
  })

  it('tells the code of its first error; a refusal is no failure', async () => {
    await ask('query Missing { missing }')
    await ask('query Broken { broken }')
    expect(only('query Missing')).toMatchObject({ attributes: { 'error.type': 'NOT_FOUND' }, status: { code: 0 } })
    expect(only('resolve Query.missing')).toMatchObject({ attributes: { 'error.type': 'NOT_FOUND' } })
    expect(only('query Broken')).toMatchObject({ attributes: { 'error.type': 'INTERNAL' }, status: { code: 2 } })
  })
})

describe('an error in an answer', () => {
  const document = '{ missing broken }'

  it('leads to its trace in development', async () => {
    const { errors } = await ask(document)
    const { traceId } = only('query').spanContext()
    expect(errors!.map(({ extensions }) => extensions)).toEqual([
      { code: 'INTERNAL', reason: 'UNEXPECTED', traceId },
      { code: 'NOT_FOUND', reason: 'ORDER_NOT_FOUND', traceId },
    ])
  })

  it('leads there in production when it is a failure of ours', async () => {
    const { errors } = await ask(document, { server: production })
    expect(errors!.map(({ extensions }) => extensions)).toEqual([
      { code: 'INTERNAL', reason: 'UNEXPECTED', traceId: only('query').spanContext().traceId },
      { code: 'NOT_FOUND', reason: 'ORDER_NOT_FOUND' },
    ])
  })

  it('leads to the trace of this request, although the same document was refused before', async () => {
    const traces = []
    for (let n = 0; n < 2; n++) traces.push((await ask('{ nonsense }')).errors![0]!.extensions.traceId)
    expect(traces).toEqual(recording.spans().map((span) => span.spanContext().traceId))
  })
})

describe('operations, measured', () => {
  it('count by their type, the plan of their tenant and the code of their first error', async () => {
    await ask('{ version }')
    await ask('{ missing }')
    await ask('{')
    expect(await operationSeries()).toEqual(
      expect.arrayContaining([
        { 'graphql.operation.type': 'query', 'tenant.plan': 'pro' },
        { 'graphql.operation.type': 'query', 'tenant.plan': 'pro', 'error.type': 'NOT_FOUND' },
        { 'error.type': 'BAD_USER_INPUT' },
      ]),
    )
  })

  it('count by the fields of Query and Mutation, and by no others', async () => {
    await ask('{ missing orders(first: 1) { product { id } } }')
    const series = (await recording.metrics())['graphql.server.field.duration']!.map(({ labels }) => labels)
    expect(series).toContainEqual({ 'graphql.field.name': 'Query.orders' })
    expect(series).toContainEqual({ 'graphql.field.name': 'Query.missing', 'error.type': 'NOT_FOUND' })
    expect(JSON.stringify(series)).not.toContain('Order.product')
  })

  it('are as many series after 10,000 names as before', async () => {
    await ask('query Before { version }')
    const count = async () => Object.values(await recording.metrics()).flat().length
    const before = await count()
    for (let n = 0; n < 10_000; n += 100) {
      const names = Array.from({ length: 100 }, (_, i) => `Name${n + i}`)
      const document = names.map((name) => `query ${name} { version }`).join()
      await Promise.all(names.map((operationName) => ask(document, { operationName })))
    }
    expect(recording.spans().at(-1)!.name).toMatch(/^query Name99/)
    expect(await count()).toBe(before)
  })
})
