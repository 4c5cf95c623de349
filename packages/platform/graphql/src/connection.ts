import { badInput, maxPageSize } from '@offshoot/rpc'
import { z } from 'zod'
import type { GraphQLContext } from './context.ts'
import type { Builder, FieldBuilder, Ref } from './schema.ts'

/** What a contract's list answers with. */
export interface Page<Item> {
  items: Item[]
  more: boolean
}

/** The type `<Node>Connection` (Relay's cursor connections specification, forward only) of a list of `node`. */
export function connectionRef<Item extends { id: string }>(
  builder: Builder,
  node: Ref<Item>,
  pageInfo: Ref<PageInfo>,
): Ref<Page<Item>> {
  const edge = builder.objectRef<Item>(`${node.name}Edge`).implement({
    fields: (t) => ({
      cursor: t.string({ resolve: (item, _, context) => cursorOf(node.name, item, context) }),
      node: t.field({ type: node, resolve: (item) => item as never }),
    }),
  })
  return builder.objectRef<Page<Item>>(`${node.name}Connection`).implement({
    fields: (t) => ({
      edges: t.field({ type: [edge], resolve: ({ items }) => items }),
      nodes: t.field({
        type: [node],
        description: 'The nodes of `edges`, for whoever needs no cursors.',
        resolve: ({ items }) => items,
      }),
      pageInfo: t.field({
        type: pageInfo,
        resolve: ({ items, more }, _, context) => ({
          hasNextPage: more,
          startCursor: items[0] ? cursorOf(node.name, items[0], context) : null,
          endCursor: items.length > 0 ? cursorOf(node.name, items.at(-1)!, context) : null,
        }),
      }),
    }),
  })
}

export interface PageInfo {
  hasNextPage: boolean
  startCursor: string | null
  endCursor: string | null
}

export function pageInfoRef(builder: Builder): Ref<PageInfo> {
  return builder.objectRef<PageInfo>('PageInfo').implement({
    fields: (t) => ({
      hasNextPage: t.exposeBoolean('hasNextPage'),
      hasPreviousPage: t.boolean({ description: 'Always false: lists are read forward.', resolve: () => false }),
      startCursor: t.exposeString('startCursor', { nullable: true }),
      endCursor: t.exposeString('endCursor', { nullable: true }),
    }),
  })
}

const cursorOf = (type: string, { id }: { id: string }, { tenant }: GraphQLContext) =>
  Buffer.from(`${type}:${tenant}:${id}`).toString('base64url')

const defaultPageSize = 20
const Id = z.uuid()

/** The arguments of every list. */
export function pageArguments(t: FieldBuilder) {
  return {
    first: t.arg.int({
      defaultValue: defaultPageSize,
      description: `How many, 1 to ${maxPageSize}; more than that gives ${maxPageSize}.`,
    }),
    after: t.arg.string({ description: 'The `endCursor` of the page before.' }),
  }
}

/**
 * What a list's contract wants to know, from the arguments of its field. A page larger than the largest is cut to that. Cursors name the list and the
 * tenant they were made for, and are good for nothing else. `ids` says what the ids of the list look like.
 */
export function pageOf(
  type: string,
  { first, after }: { first?: number | null; after?: string | null },
  { tenant }: GraphQLContext,
  ids: z.ZodType<string> = Id,
): { first: number; after?: string } {
  const size = first ?? defaultPageSize
  if (size < 1) throw badInput('INVALID_PAGE_SIZE', '`first` must be at least 1.')
  const page = { first: Math.min(size, maxPageSize) }
  if (after === null || after === undefined) return page
  const prefix = `${type}:${tenant}:`
  const cursor = Buffer.from(after, 'base64url').toString()
  const id = ids.safeParse(cursor.slice(prefix.length))
  if (!cursor.startsWith(prefix) || !id.success)
    throw badInput('INVALID_CURSOR', '`after` is not a cursor of this list.')
  return { ...page, after: id.data }
}
