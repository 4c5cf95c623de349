import { maxPageSize, TenantId } from '@offshoot/rpc'
import { execute, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import {
  buildSchema,
  type GraphQLContext,
  type Page,
  pageArguments,
  pageOf,
  printPublicSchema,
  type SchemaPart,
} from '../src/index.ts'

const acme = TenantId.parse('01890000-0000-7000-8000-00000000000a')
const globex = TenantId.parse('01890000-0000-7000-8000-00000000000b')
const context = (tenant: TenantId | null = acme): GraphQLContext => ({
  requestId: 'r',
  tenant,
  plan: tenant && 'free',
  viewer: () => null,
  client: () => expect.unreachable(),
})

interface Thing {
  id: string
}
const thing = (n: number) => ({ id: `01890000-0000-7000-8000-${String(n).padStart(12, '0')}` })

/** A schema with two lists, which answer with a page of what they were asked for. */
const lists: SchemaPart = ({ builder, connection }) => {
  for (const name of ['Thing', 'Other']) {
    const node = builder.objectRef<Thing>(name).implement({ fields: (t) => ({ id: t.exposeID('id') }) })
    builder.queryField(`${name.toLowerCase()}s`, (t) =>
      t.field({
        type: connection(node),
        nullable: true,
        args: pageArguments(t),
        resolve: (_, args, context): Page<Thing> => {
          const { first, after } = pageOf(name, args, context)
          const begin = after ? Number(after.slice(-12)) + 1 : 0
          return {
            items: Array.from({ length: Math.min(first, 5 - begin) }, (_, i) => thing(begin + i)),
            more: begin + first < 5,
          }
        },
      }),
    )
  }
  builder.mutationField('nothing', (t) => t.boolean({ nullable: true, resolve: () => true }))
}
const schema = buildSchema([lists])
const ask = async (source: string, tenant?: TenantId) =>
  JSON.parse(JSON.stringify(await execute({ schema, document: parse(source), contextValue: context(tenant) })))

describe('a list', () => {
  it('is read page by page, each item once', async () => {
    const seen: string[] = []
    for (let after = ''; ; ) {
      const { data } = await ask(
        `{ things(first: 2 ${after}) { nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
      )
      const { nodes, edges, pageInfo } = data.things
      expect(edges.map(({ node }: { node: Thing }) => node)).toEqual(nodes)
      expect([pageInfo.startCursor, pageInfo.endCursor]).toEqual([edges[0].cursor, edges.at(-1).cursor])
      expect(pageInfo.hasPreviousPage).toBe(false)
      seen.push(...nodes.map(({ id }: Thing) => id))
      if (!pageInfo.hasNextPage) break
      after = `after: "${pageInfo.endCursor}"`
    }
    expect(seen).toEqual([0, 1, 2, 3, 4].map((n) => thing(n).id))
  })

  it('that is empty has no cursors', async () => {
    const { data } = await ask('{ things(first: 5) { pageInfo { endCursor } } }')
    const { data: end } = await ask(
      `{ things(after: "${data.things.pageInfo.endCursor}") { nodes { id } pageInfo { hasNextPage startCursor endCursor } } }`,
    )
    expect(end.things).toEqual({ nodes: [], pageInfo: { hasNextPage: false, startCursor: null, endCursor: null } })
  })

  it('gives 20 when nothing is said, and at most a hundred', () => {
    expect(pageOf('Thing', {}, context())).toEqual({ first: 20 })
    expect(pageOf('Thing', { first: null, after: null }, context())).toEqual({ first: 20 })
    expect(pageOf('Thing', { first: 10 ** 6 }, context())).toEqual({ first: maxPageSize })
  })

  it.each([0, -1, -(2 ** 31)])('refuses first: %d', (first) => {
    expect(() => pageOf('Thing', { first }, context())).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', reason: 'INVALID_PAGE_SIZE' }),
    )
  })

  const cursor = (text: string) => Buffer.from(text).toString('base64url')
  it.each([
    ['nonsense', 'x'],
    ['nothing', ''],
    ['an id', thing(1).id],
    ['another tenant’s', cursor(`Thing:${globex}:${thing(1).id}`)],
    ['another list’s', cursor(`Other:${acme}:${thing(1).id}`)],
    ['one with SQL', cursor(`Thing:${acme}:' or 1=1 --`)],
    ['one with more than an id', cursor(`Thing:${acme}:${thing(1).id}\0`)],
    ['one without a tenant', cursor(`Thing:null:${thing(1).id}`)],
    ['10 MB', 'A'.repeat(10_000_000)],
  ])('refuses a cursor that is %s', (_, after) => {
    expect(() => pageOf('Thing', { after }, context())).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', reason: 'INVALID_CURSOR' }),
    )
  })
})

describe('the merged schema', () => {
  it('has each connection once, whoever asks for it, and is the same text each time', () => {
    const text = printPublicSchema(schema)
    expect(text.match(/type ThingConnection /g)).toHaveLength(1)
    expect(text.match(/type PageInfo /g)).toHaveLength(1)
    expect(printPublicSchema(buildSchema([lists]))).toBe(text)
  })

  it.each(['query', 'mutation'] as const)('is refused when a root field (%s) cannot be null', (root) => {
    const part: SchemaPart = ({ builder }) => {
      builder.queryField('fine', (t) => t.boolean({ nullable: true, resolve: () => true }))
      builder.mutationField('fine', (t) => t.boolean({ nullable: true, resolve: () => true }))
      builder[`${root}Field`]('strict', (t) => t.boolean({ resolve: () => true }))
    }
    const name = `${root === 'query' ? 'Query' : 'Mutation'}.strict`
    expect(() => buildSchema([part])).toThrow(
      `${name} must be nullable: when its domain fails it would take the whole answer with it.`,
    )
  })
})
