import type { Lanes } from '@offshoot/data'
import { type Contract, createClient, type IdentityTokens, type Link, type TenantId } from '@offshoot/rpc'
import { Sql } from '@prisma/client/runtime/client'
import type pg from 'pg'
import type { Message, Seal } from './envelope.ts'
import type { Handler, HandlerLog, Reaction, Received } from './handler.ts'
import { startLoop } from './loop.ts'
import type { Transport } from './transport.ts'

export interface ConsumerOptions {
  /** The domain that handles. */
  domain: string
  handlers: readonly Handler[]
  lanes: Lanes<any>
  /** Connections of the domain's system role. */
  pool: pg.Pool
  transport: Transport
  seal: Seal
  /** For `prepare`: how to call other domains. */
  link: Link
  tokens: IdentityTokens
  uses: Record<string, Contract>
  log: HandlerLog
  onTrouble(part: string, error: unknown | undefined): void
  /** How often to look without being told, in ms. */
  poll: number
  /** How many events, or batches, are handled at the same time. */
  concurrency: number
}

export interface Consumer {
  /** Handles what is there, without waiting for the next look. */
  wake(): void
  stop(): Promise<void>
}

interface Head {
  tenant_id: TenantId
  handler: string
  source: string
  aggregate: string
  attempts: number
}

interface Waiting {
  id: string
  source: string
  aggregate: string
  revision: bigint | number
  after: bigint | number
  type: string
  version: number
  time: string
  status: 'pending' | 'dead'
  received_at: string
  data: unknown
}

/** How long an event waits for one before it that has not come, in ms. It is never long unless the consumer is younger than the aggregate. */
const longestGap = 10_000
/** Events of one transaction of a batch handler. */
const batchSize = 100
const firstRetry = 200
const longestRetry = 5 * 60_000

/**
 * Handles events for one domain. Everything that comes is first taken into the domain's inbox, and only then acknowledged to the transport. From there it is
 * handled: an aggregate is leased, its next event is locked, and the handler's effects commit in one transaction with the note that it was handled. Whatever dies
 * in between, the lease ends and the event is handled again, or found to have been.
 */
export async function startConsumer(options: ConsumerOptions): Promise<Consumer> {
  const { domain, handlers, lanes, pool, log } = options
  const schema = `"${domain}"`
  const byName = new Map(handlers.map((handler) => [handler.name, handler]))
  const wanted = new Map<string, Handler[]>()
  for (const handler of handlers)
    for (const { event } of handler.reactions) wanted.set(event.name, [...(wanted.get(event.name) ?? []), handler])
  const sources = [...new Set(handlers.flatMap(({ reactions }) => reactions.map(({ event }) => event.source)))]
  const lease = Math.max(...handlers.map(({ timeout }) => timeout)) + 5_000

  async function receive(messages: Message[]): Promise<void> {
    const events = messages.flatMap((message) => {
      const envelope = options.seal.open(message)
      if (!envelope) log.warn({ id: message.id }, 'a message with a wrong signature was dropped')
      return envelope ? rowsOf(envelope) : []
    })
    if (events.length === 0) return
    await pool.query({ name: 'receive', text: `SELECT ${schema}.receive($1)`, values: [JSON.stringify(events)] })
    dispatch.wake()
  }

  function rowsOf({
    id,
    source,
    type,
    subject,
    time,
    dataversion,
    tenantid,
    traceparent,
    revision,
    lastbytype,
    data,
  }: import('./envelope.ts').Envelope) {
    const last = JSON.parse(lastbytype) as Record<string, number>
    return (wanted.get(type) ?? []).map((handler) => ({
      tenant_id: tenantid,
      handler: handler.name,
      id,
      source,
      aggregate: subject,
      revision,
      after: Math.max(0, ...handler.reactions.map(({ event }) => last[event.name] ?? 0)),
      type,
      version: dataversion,
      time,
      traceparent,
      data,
    }))
  }

  let busy = 0
  const working = new Set<Promise<void>>()
  const dispatch = startLoop({
    idle: options.poll,
    onTrouble: (error) => options.onTrouble(`the inbox of ${domain}`, error),
    async work() {
      const free = options.concurrency - busy
      if (free <= 0) return false // whoever is done wakes
      const batches = handlers.some(({ batch }) => batch)
      const { rows } = await pool.query<Head>({
        name: 'claim',
        text: `SELECT * FROM ${schema}.claim($1, $2, $3)`,
        values: batches
          ? [batchSize, free * batchSize, `${lease} ms`]
          : [Math.max(1, Math.ceil(free * 0.75)), free, `${lease} ms`],
      })
      for (const group of groupsOf(rows, byName)) {
        busy++
        const work = handleGroup(group).finally(() => {
          busy--
          working.delete(work)
          dispatch.wake()
        })
        working.add(work)
      }
      return rows.length > 0
    },
  })

  /** Never rejects: what goes wrong is the event's failure, or nobody's, and then the lease ends by itself. */
  async function handleGroup({ handler, heads }: Group): Promise<void> {
    try {
      const exhausted = heads.filter(({ attempts }) => attempts > handler.attempts)
      for (const head of exhausted)
        await fail(handler, head, new Error('The process ended while it handled this event, each time.'))
      const rest = heads.filter((head) => !exhausted.includes(head))
      if (rest.length === 0) return
      try {
        await attempt(handler, rest)
      } catch (error) {
        if (rest.length === 1) return await fail(handler, rest[0]!, error)
        for (const head of rest) await attempt(handler, [head]).catch((reason) => fail(handler, head, reason))
      }
    } catch (error) {
      log.error({ err: error, handler: handler.name }, 'an event could neither be handled nor noted as failed')
    }
  }

  async function attempt(handler: Handler, heads: Head[]): Promise<void> {
    const tenant = heads[0]!.tenant_id
    const lease = lanes.open(tenant)
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`The handler did not end within ${handler.timeout} ms.`)),
        handler.timeout,
      )
    })
    const work = handleIn(lease.lane, handler, heads, tenant)
    try {
      await Promise.race([work, timeout])
    } finally {
      clearTimeout(timer)
      lease.close() // a handler that still runs has no database any more
      work.catch(() => {})
    }
  }

  async function handleIn(lane: any, handler: Handler, heads: Head[], tenant: TenantId): Promise<void> {
    const prepared = handler.reactions.some(({ prepare }) => prepare)
      ? await prepareNext(lane, handler, heads[0]!, tenant)
      : undefined
    await lane.transaction(async (tx: any) => {
      const taken = await take(tx, handler, heads)
      const { ready, held } = inOrder(taken)
      const context = { tx, tenant, log }
      if (handler.batch && ready.length > 1) {
        await handler.batch(
          context,
          ready.map((event) => read(handler, event, tenant)),
        )
      } else {
        for (const event of ready) {
          const reaction = reactionTo(handler, event)
          await reaction.handle(
            context,
            read(handler, event, tenant),
            prepared?.id === event.id ? prepared.value : await unprepared(reaction),
          )
        }
      }
      await settle(tx, handler, heads, ready, held)
    })
  }

  async function prepareNext(
    lane: any,
    handler: Handler,
    head: Head,
    tenant: TenantId,
  ): Promise<{ id: string; value: unknown } | undefined> {
    const [next] = inOrder(await take(lane, handler, [head])).ready
    const reaction = next && reactionTo(handler, next)
    if (!next || !reaction?.prepare) return undefined
    const caller = {
      identity: {
        actor: { kind: 'service', id: `${domain}.${handler.name}` },
        tenant,
        role: null,
        scopes: null,
      } as const,
      deadline: performance.now() + handler.timeout,
      requestId: next.id,
    }
    const clients = Object.fromEntries(
      Object.entries(options.uses).map(([name, contract]) => [
        name,
        createClient(contract, options.link, options.tokens, caller),
      ]),
    )
    return {
      id: next.id,
      value: await reaction.prepare({ db: lane, clients, tenant, log }, read(handler, next, tenant)),
    }
  }

  /** The next event of each aggregate; of a batch, as many as fit. */
  async function take(db: any, handler: Handler, heads: Head[]): Promise<(Waiting & { handled: number })[]> {
    const keys = JSON.stringify(heads.map(({ source, aggregate }) => ({ source, aggregate })))
    const each = handler.batch && heads.length < batchSize ? Math.floor(batchSize / heads.length) : 1
    const rows = (await db.$queryRaw(
      sql(
        `select event, handled::int from ${schema}.take(`,
        ['::text, ', '::jsonb, ', '::int)'],
        [handler.name, keys, each],
      ),
    )) as {
      event: Waiting
      handled: number
    }[]
    return rows.map(({ event, handled }) => ({ ...event, handled }))
  }

  async function settle(
    tx: any,
    handler: Handler,
    heads: Head[],
    done: Waiting[],
    held: Map<string, Date>,
  ): Promise<void> {
    const handled = new Map(done.map((event) => [keyOf(event), event.revision]))
    const settled = heads.map(({ source, aggregate }) => {
      const key = keyOf({ source, aggregate })
      return { source, aggregate, handled: handled.get(key) ?? 0, ready_at: held.get(key)?.toISOString() ?? null }
    })
    const ids = done.map(({ id }) => id)
    const statement = sql(
      `select ${schema}.settle(`,
      ['::text, ', '::jsonb, ', '::uuid[])::int as count'],
      [handler.name, JSON.stringify(settled), ids],
    )
    const [{ count }] = (await tx.$queryRaw(statement)) as [{ count: number }]
    if (count !== ids.length) throw new Error('The event was handled by somebody else meanwhile.')
  }

  async function fail(handler: Handler, head: Head, error: unknown): Promise<void> {
    const again = head.attempts < handler.attempts ? new Date(Date.now() + retryAfter(head.attempts)) : null
    log.warn(
      { err: error, handler: handler.name, tenant: head.tenant_id, aggregate: head.aggregate, attempts: head.attempts },
      again ? 'an event failed and will be tried again' : 'an event is dead',
    )
    await pool.query(`SELECT ${schema}.fail($1, $2, $3, $4, $5, $6)`, [
      head.tenant_id,
      handler.name,
      head.source,
      head.aggregate,
      reasonOf(error),
      again,
    ])
  }

  const subscription = sources.length > 0 ? await options.transport.subscribe(domain, sources, receive) : undefined
  return {
    wake: () => dispatch.wake(),
    async stop() {
      await subscription?.stop()
      await dispatch.stop()
      await Promise.all(working)
    },
  }
}

interface Group {
  handler: Handler
  heads: Head[]
}

/** Aggregates of one tenant that a batch handler takes together; others one by one. What no handler here knows is left to a process that does. */
function groupsOf(heads: readonly Head[], handlers: ReadonlyMap<string, Handler>): Group[] {
  const groups: Group[] = []
  const batches = new Map<string, Group>()
  for (const head of heads) {
    const handler = handlers.get(head.handler)
    if (!handler) continue
    const key = `${head.handler}\n${head.tenant_id}`
    const open = handler.batch && batches.get(key)
    if (open && open.heads.length < batchSize) open.heads.push(head)
    else {
      const group = { handler, heads: [head] }
      groups.push(group)
      batches.set(key, group)
    }
  }
  return groups
}

/** What may be handled now, and until when to wait for the aggregates of which an earlier event is missing. */
function inOrder(events: (Waiting & { handled: number })[]): { ready: Waiting[]; held: Map<string, Date> } {
  const ready: Waiting[] = []
  const held = new Map<string, Date>()
  const reached = new Map<string, number>()
  for (const event of events) {
    const key = keyOf(event)
    if (held.has(key)) continue
    const until = new Date(Date.parse(event.received_at) + longestGap)
    if (event.status === 'dead') held.set(key, until)
    else if (Number(event.after) <= (reached.get(key) ?? event.handled) || until.getTime() <= Date.now()) {
      ready.push(event)
      reached.set(key, Number(event.revision))
    } else held.set(key, until)
  }
  return { ready, held }
}

const keyOf = ({ source, aggregate }: { source: string; aggregate: string }) => `${source} ${aggregate}`

function reactionTo(handler: Handler, { type }: Waiting): Reaction {
  const reaction = handler.reactions.find(({ event }) => event.name === type)
  if (!reaction) throw new Error(`The handler ${handler.name} does not react to ${type} any more.`)
  return reaction
}

function read(handler: Handler, waiting: Waiting, tenant: TenantId): Received {
  const { id, type, version, time, data } = waiting
  return { id, type, time, tenant, data: reactionTo(handler, waiting).event.read(version, data) }
}

/** Somebody else went on with this aggregate between the preparation and the transaction. */
async function unprepared(reaction: Reaction): Promise<undefined> {
  if (reaction.prepare) throw new Error('The next event is another one than was prepared for.')
  return undefined
}

/** In ms: exponential, with jitter, so that what failed together is not tried together. */
const retryAfter = (attempts: number) =>
  Math.min(longestRetry, firstRetry * 2 ** (attempts - 1)) * (0.5 + Math.random())

/** The message alone: details of an error may hold personal data. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 1_000)
}

function sql(start: string, between: readonly string[], values: readonly unknown[]): Sql {
  return new Sql([start, ...between], values as never)
}
