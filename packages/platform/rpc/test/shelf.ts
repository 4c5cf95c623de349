import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll } from 'vitest'
import { z } from 'zod'
import {
  type Caller,
  type CallServer,
  type Client,
  callListener,
  command,
  createClient,
  defineContract,
  edge,
  type Handlers,
  type Identity,
  type IdentityTokens,
  identityTokens,
  type Link,
  localLink,
  Money,
  type ProblemCode,
  page,
  query,
  type Role,
  serve,
  TenantId,
  text,
  UserId,
} from '../src/index.ts'
import { type RemoteOptions, remoteLink } from '../src/remote.ts'

export const Book = z.object({
  id: z.uuid(),
  title: z.string(),
  price: Money,
  tags: z.array(z.string()),
  note: z.string().nullable(),
})
export type Book = z.infer<typeof Book>

const everyone = ['owner', 'admin', 'member'] as const

/** A contract with one call of every kind. */
export const shelf = defineContract('shelf', {
  actions: { 'book:read': everyone, 'book:write': ['owner', 'admin'], 'shelf:burn': ['owner'] },
  calls: {
    list: query({ action: 'book:read', input: z.object({ first: z.int().min(1) }), output: page(Book) }),
    echo: query({
      action: 'book:read',
      input: z.object({ value: z.unknown() }),
      output: z.object({ value: z.unknown() }),
    }),
    rename: command({
      action: 'book:write',
      input: z.object({ id: z.uuid(), title: text(100), shelves: z.array(z.int()).optional() }),
      output: Book,
      reasons: { BOOK_NOT_FOUND: 'NOT_FOUND', TITLE_TAKEN: 'CONFLICT' },
    }),
    burn: command({ action: 'shelf:burn', input: z.object({}), output: z.object({}) }),
    open: command({ audience: 'user', input: z.object({}), output: z.object({}) }),
    inspect: query({ audience: 'operator', input: z.object({}), output: z.object({}) }),
    whoIs: query({ audience: 'edge', input: z.object({ token: z.string() }), output: z.object({}) }),
  },
})

/** A contract whose domain calls `shelf` on its caller's behalf. */
export const desk = defineContract('desk', {
  actions: { 'desk:ask': everyone },
  calls: {
    ask: query({
      action: 'desk:ask',
      input: z.object({ value: z.unknown() }),
      output: z.object({ value: z.unknown() }),
    }),
  },
})

export const acme = TenantId.parse('01890000-0000-7000-8000-00000000000a')
export const olga = UserId.parse('01890000-0000-7000-8000-0000000000f1')
export const as = (role: Role, more: Partial<Identity> = {}): Identity => ({
  actor: { kind: 'user', id: olga, operator: false },
  tenant: acme,
  plan: 'free',
  role,
  scopes: null,
  ...more,
})

export interface ShelfContext {
  signal: AbortSignal
  deadline: number
  shelf: Client<typeof shelf>
}
type ShelfHandlers = Handlers<typeof shelf, ShelfContext>

const book = (): Book => ({ id: olga, title: 'A', price: { minor: 100, currency: 'EUR' }, tags: [], note: null })

/** How a call gets from its caller to its domain. Nothing else may differ. */
export const links = ['in-process', 'over HTTP'] as const

/** `openShelf` for calls that travel in this way; what it opens is closed after the tests of the present block. */
export function shelfBy(way: (typeof links)[number]) {
  const opened: { close(): Promise<unknown> }[] = []
  afterAll(() => Promise.all(opened.map((one) => one.close())))
  return (...args: OpenArguments) => {
    const shelf = open(way === 'over HTTP' ? overHttp : inProcess, ...args)
    opened.push(shelf)
    return shelf
  }
}

/** For tests to which it makes no difference how calls travel. */
export const openShelf = (...args: OpenArguments) => open(inProcess, ...args)

type OpenArguments = Parameters<typeof open> extends [unknown, ...infer Rest] ? Rest : never
type Opened = { link: Link; close(): Promise<unknown> }

const inProcess = (servers: ReadonlyMap<string, CallServer>): Opened => ({
  link: localLink(servers),
  close: async () => {},
})

function overHttp(
  servers: ReadonlyMap<string, CallServer>,
  tokens: IdentityTokens,
  onUnexpected: NonNullable<RemoteOptions['onUnexpected']>,
): Opened {
  const server = createServer(callListener(servers, tokens)).listen(0, '127.0.0.1')
  const remote = once(server, 'listening').then(() =>
    remoteLink(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { onUnexpected }),
  )
  return {
    link: async (...call) => (await remote).link(...call),
    async close() {
      await (await remote).close()
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Serves both contracts, with the handlers that a test brings. */
function open(
  connect: (
    servers: ReadonlyMap<string, CallServer>,
    tokens: IdentityTokens,
    onUnexpected: NonNullable<RemoteOptions['onUnexpected']>,
  ) => Opened,
  handlers: { [K in keyof ShelfHandlers]?: (context: ShelfContext, input: any) => any } = {},
  askHandler?: (context: ShelfContext, input: { value?: unknown }) => any,
) {
  const tokens = identityTokens('a secret for tests')
  const reported: { error: any; name: string; tenant: string | null; code: ProblemCode }[] = []
  const units = { opened: 0, closed: 0 }
  const servers = new Map<string, CallServer>()
  const { link, close } = connect(servers, tokens, (error, { name, code }) =>
    reported.push({ error, name, tenant: null, code }),
  )
  const unit = (call: { identity: Identity; deadline: number; requestId: string; signal: AbortSignal }) => {
    units.opened++
    return {
      context: { signal: call.signal, deadline: call.deadline, shelf: createClient(shelf, link, tokens, call) },
      close: () => void units.closed++,
    }
  }
  const onUnexpected = (
    error: unknown,
    { name, tenant, code }: { name: string; tenant: string | null; code: ProblemCode },
  ) => void reported.push({ error, name, tenant, code })
  const server = serve<typeof shelf, ShelfContext>({
    contract: shelf,
    tokens,
    open: unit,
    onUnexpected,
    handlers: {
      list: async (_, { first }) => ({ items: Array.from({ length: first }, book), more: false }),
      echo: async (_, { value }) => ({ value }),
      rename: async () => book(),
      burn: async () => ({}),
      open: async () => ({}),
      inspect: async () => ({}),
      whoIs: async () => ({}),
      ...handlers,
    },
  })
  servers.set('shelf', server)
  servers.set(
    'desk',
    serve<typeof desk, ShelfContext>({
      contract: desk,
      tokens,
      open: unit,
      onUnexpected,
      handlers: { ask: askHandler ?? (async (context, { value }) => context.shelf.echo({ value })) },
    }),
  )
  const caller = (identity: Identity, more: Partial<Caller> = {}): Caller => ({
    identity,
    deadline: Number.POSITIVE_INFINITY,
    requestId: 'request-1',
    ...more,
  })
  return {
    tokens,
    server,
    link,
    close,
    reported,
    units,
    shelf: (identity: Identity = as('owner'), more?: Partial<Caller>) =>
      createClient(shelf, link, tokens, caller(identity, more)),
    desk: (identity: Identity = as('owner'), more?: Partial<Caller>) =>
      createClient(desk, link, tokens, caller(identity, more)),
  }
}
