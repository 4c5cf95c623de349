import { setTimeout as sleep } from 'node:timers/promises'
import { isOvertaken, type Lanes } from '@offshoot/data'
import { type Contract, createClient, type IdentityTokens, type Link, type TenantId } from '@offshoot/rpc'
import { continuing, count, errorType, record } from '@offshoot/telemetry'
import { context } from '@opentelemetry/api'
import { Sql } from '@prisma/client/runtime/client'
import type pg from 'pg'
import type { Envelope, Message, Seal } from './envelope.ts'
import type { Handler, HandlerLog, Reaction, Received } from './handler.ts'
import { startLoop } from './loop.ts'
import { beginProcessing, type Processing, validTraceparent } from './tracing.ts'
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
  /** How long an event waits for one before it that has not come, in ms. It is never long unless the consumer is younger than the aggregate. */
  longestGap: number
  /** How long an aggregate is kept from others beyond the handler's time-out, in ms: after that the process that had it is taken for dead. */
  leaseMargin: number
  /** How long after its first failure an event is tried again, in ms; doubled each time. */
  firstRetry: number
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
  leased_until: Date
  handled: string
  /** The next event, where it was to be seen at the time of the lease. */
  event: Waiting | null
  /** Whether another one was to be seen behind it. */
  more: boolean | null
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
  traceparent: string | null
  status: 'pending' | 'dead'
  received_at: string
  data: unknown
}

/** Events of one transaction of a batch handler. */
const batchSize = 100
const longestRetry = 5 * 60_000

/**
 * Handles events for one domain. Everything that comes is first taken into the domain's inbox, and only then acknowledged to the transport. From there it is
 * handled: an aggregate is leased together with its next event, and the handler's effects commit in one transaction with the note that it was handled. Whatever dies
 * in between, the lease ends and the event is handled again, or found to have been.
 */
export async function startConsumer(options: ConsumerOptions): Promise<Consumer> {
  const { domain, handlers, lanes, pool, log } = options
  const schema = `"${domain}"`
  const byName = new Map<string, Handler>()
  for (const handler of handlers) {
    if (byName.has(handler.name)) throw new Error(`${domain} has two handlers with the name ${handler.name}.`)
    byName.set(handler.name, handler)
  }
  const wanted = new Map<string, Handler[]>()
  for (const handler of handlers)
    for (const { event } of handler.reactions) wanted.set(event.name, [...(wanted.get(event.name) ?? []), handler])
  const sources = [...new Set(handlers.flatMap(({ reactions }) => reactions.map(({ event }) => event.source)))]

  async function receive(messages: Message[]): Promise<void> {
    const events = messages.flatMap((message) => {
      const envelope = options.seal.open(message)
      if (!envelope) log.warn({ id: message.id }, 'a message with a wrong signature was dropped')
      return envelope ? rowsOf(envelope) : []
    })
    if (events.length === 0) return
    await pool.query({ name: 'receive', text: `SELECT ${schema}.receive($1)`, values: [JSON.stringify(events)] })
    wake()
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
  }: Envelope) {
    const last = JSON.parse(lastbytype) as Record<string, number>
    const kept = validTraceparent(traceparent)
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
      traceparent: kept,
      data,
    }))
  }

  const free = handlers.filter(({ holds }) => !holds)
  /** Handlers that take one event at a time, those that take many, and each that may hold events back. */
  const kinds = [
    free.filter(({ batch }) => !batch),
    free.filter(({ batch }) => batch),
    ...handlers.filter(({ holds }) => holds).map((handler) => [handler]),
  ]
    .filter((kind) => kind.length > 0)
    .map((kind) => ({
      names: kind.map(({ name }) => name),
      each: kind[0]!.batch ? batchSize : 1,
      lease: `${Math.max(...kind.map(({ timeout }) => timeout)) + options.leaseMargin} ms`,
    }))
  const { concurrency } = options
  /** One tenant has at most three quarters of the places. */
  const share = Math.max(1, Math.ceil(concurrency * 0.75))
  const running = new Map<TenantId, number>()
  /** By handler, the tenants that it was seen to hold events back for. */
  const held = new Map<string, Set<TenantId>>()
  let busy = 0
  /** Leased beforehand, so that not each event needs to be asked for by itself. */
  let queue: Group[] = []
  let stopping = false
  let lastRecovery = 0
  let recovering = false
  const working = new Set<Promise<void>>()
  const dispatch = startLoop({
    idle: options.poll,
    onTrouble: (error) => options.onTrouble(`the inbox of ${domain}`, error),
    async work() {
      let found = false
      kinds.reverse() // in turns
      for (const kind of kinds) found = (await claimSome(kind)) || found
      return (await recoverOne()) || found
    },
  })
  const wake = () => dispatch.wake()

  async function claimSome({ names, each, lease }: (typeof kinds)[number]): Promise<boolean> {
    if (busy >= concurrency) return false // whoever is done goes on
    const ahead = concurrency * Math.max(2, each)
    const most = (concurrency - busy) * each + ahead
    const heads = await claim(names, false, share * each + ahead, most, each, lease)
    queue = groupsOf(heads, byName, queue)
    startSome()
    return heads.length > 0
  }

  /** Those go first whose tenants have the fewest under way. */
  function startSome(): void {
    const back = queue.filter(({ handler, heads }) => handler.holds?.(heads[0]!.tenant_id))
    if (back.length > 0) {
      queue = queue.filter((group) => !back.includes(group))
      holdBack(back).catch((error) => options.onTrouble(`the inbox of ${domain}`, error)) // their leases end by themselves
    }
    while (busy < concurrency && queue.length > 0) {
      let next = -1
      let fewest = share
      for (const [n, { heads }] of queue.entries()) {
        const count = running.get(heads[0]!.tenant_id) ?? 0
        if (count < fewest) [next, fewest] = [n, count]
      }
      if (next < 0) return
      start(queue.splice(next, 1)[0]!)
    }
  }

  /**
   * What a process left behind that died, one at a time and with nothing else of its kind beside it: if it is what killed the process, then nobody dies with it
   * again and again until all are dead.
   */
  async function recoverOne(): Promise<boolean> {
    if (recovering || performance.now() - lastRecovery < options.poll) return false
    lastRecovery = performance.now()
    for (const { names, lease } of kinds) {
      const [group] = groupsOf(await claim(names, true, 1_000, 1, 1, lease), byName)
      if (!group) continue
      recovering = true
      start(group, () => {
        recovering = false
        lastRecovery = 0
      })
      return true
    }
    return false
  }

  async function claim(
    names: string[],
    abandoned: boolean,
    perTenant: number,
    most: number,
    each: number,
    lease: string,
  ): Promise<Head[]> {
    const { holds = () => false } = byName.get(names[0]!)!
    for (;;) {
      const counts: Record<string, number> = {}
      if (!abandoned) {
        for (const [tenant, count] of running) counts[tenant] = count * each
        for (const { heads } of queue) counts[heads[0]!.tenant_id] = (counts[heads[0]!.tenant_id] ?? 0) + heads.length
      }
      for (const tenant of held.get(names[0]!) ?? []) {
        if (holds(tenant)) counts[tenant] = perTenant
        else held.get(names[0]!)!.delete(tenant)
      }
      const { rows } = await pool.query<Head>({
        name: 'claim',
        text: `SELECT * FROM ${schema}.claim($1, $2, $3, $4, $5, $6)`,
        values: [names, abandoned, perTenant, most, JSON.stringify(counts), lease],
      })
      const back = rows.filter(({ tenant_id }) => holds(tenant_id))
      await holdBack(groupsOf(back, byName))
      if (back.length < rows.length || rows.length === 0) return rows.filter((head) => !back.includes(head))
    }
  }

  /** As if they had not been claimed. From now on their tenants are passed over until their events are not held any more. */
  async function holdBack(groups: readonly Group[]): Promise<void> {
    for (const { handler, heads } of groups) {
      const tenants = held.get(handler.name) ?? new Set()
      held.set(handler.name, tenants.add(heads[0]!.tenant_id))
    }
    await release(groups)
  }

  function start(group: Group, onDone = () => {}): void {
    const tenant = group.heads[0]!.tenant_id
    busy++
    running.set(tenant, (running.get(tenant) ?? 0) + 1)
    const work = handleGroup(group).finally(() => {
      busy--
      const rest = running.get(tenant)! - 1
      if (rest > 0) running.set(tenant, rest)
      else running.delete(tenant)
      working.delete(work)
      onDone()
      startSome()
      if (queue.length === 0) wake()
    })
    working.add(work)
  }

  /** Never rejects: what goes wrong is the event's failure, or nobody's, and then the lease ends by itself. */
  async function handleGroup(group: Group): Promise<void> {
    const { handler } = group
    try {
      const heads = await stillLeased(handler, group.heads)
      const exhausted = heads.filter(({ attempts }) => attempts > handler.attempts)
      for (const head of exhausted) {
        const died = new Error('The process ended while it handled this event, each time.')
        await continuing(head.event?.traceparent ?? undefined, () =>
          fail(handler, { ...head, attempts: handler.attempts }, died),
        )
      }
      const rest = heads.filter((head) => !exhausted.includes(head))
      if (rest.length === 0) return
      const each = handler.batch ? Math.max(1, Math.floor(batchSize / rest.length)) : 1
      await attempt(handler, rest, each, (error) =>
        handler.batch ? handleOneByOne(handler, rest) : fail(handler, rest[0]!, error),
      )
    } catch (error) {
      log.error({ err: error, handler: handler.name }, 'an event could neither be handled nor noted as failed')
    }
  }

  /** A batch failed, because of one or some of its events: the others are not to suffer for it. */
  async function handleOneByOne(handler: Handler, heads: Head[]): Promise<void> {
    for (const leased of heads) {
      for (const head of await stillLeased(handler, [leased]))
        await attempt(handler, [head], 1, (error) => fail(handler, head, error))
    }
  }

  /** Prolongs the leases that would not last for an attempt, and leaves out those that are over. */
  async function stillLeased(handler: Handler, heads: Head[]): Promise<Head[]> {
    const needed = Date.now() + handler.timeout + options.leaseMargin / 2
    if (heads.every(({ leased_until }) => leased_until.getTime() >= needed)) return heads
    const renewed = await Promise.all(heads.map((head) => renew(head, handler.timeout + options.leaseMargin)))
    return renewed.filter((head) => head !== undefined)
  }

  /** Undefined when the lease was over already. */
  async function renew(head: Head, lease: number): Promise<Head | undefined> {
    const { rows } = await pool.query<Pick<Head, 'leased_until'>>(
      `UPDATE ${schema}.inbox_head SET leased_until = clock_timestamp() + $6::interval
        WHERE tenant_id = $1 AND handler = $2 AND source = $3 AND aggregate = $4 AND leased_until = $5 RETURNING leased_until`,
      [head.tenant_id, head.handler, head.source, head.aggregate, head.leased_until, `${lease} ms`],
    )
    return rows[0] && { ...head, ...rows[0] }
  }

  /** Gives back what was leased and not begun: that counts as no attempt. */
  async function release(groups: readonly Group[], pause = 0): Promise<void> {
    const heads = groups.flatMap(({ heads }) => heads)
    if (heads.length === 0) return
    await pool.query(
      `UPDATE ${schema}.inbox_head h SET leased_until = NULL, attempts = h.attempts - 1, ready_at = greatest(h.ready_at, clock_timestamp() + $2::interval)
        FROM jsonb_to_recordset($1) AS g(tenant_id uuid, handler text, source text, aggregate text, leased_until timestamptz)
        WHERE h.tenant_id = g.tenant_id AND h.handler = g.handler AND h.source = g.source AND h.aggregate = g.aggregate AND h.leased_until = g.leased_until`,
      [JSON.stringify(heads.map(({ event, more, handled, ...head }) => head)), `${pause} ms`],
    )
  }

  /** Tries to handle the next events of these aggregates, at most `each` of one. What could not be begun is given back; what failed is `onFailed`'s business. */
  async function attempt(
    handler: Handler,
    heads: Head[],
    each: number,
    onFailed: (error: unknown) => Promise<void>,
  ): Promise<void> {
    const processing = beginProcessing(
      heads.flatMap(({ event }) => event ?? []),
      {
        domain,
        handler: handler.name,
        system: options.transport.system,
        tenant: heads[0]!.tenant_id,
        attempt: heads.length === 1 ? heads[0]!.attempts : undefined,
      },
    )
    await context.with(processing.context, async () => {
      const began = performance.now()
      const labels = { domain, 'offshoot.handler': handler.name }
      const took = (failure?: { 'error.type': string }) =>
        record('messaging.process.duration', (performance.now() - began) / 1_000, { ...labels, ...failure })
      try {
        const handled = await handleInLane(handler, heads, each, processing)
        processing.end()
        took()
        for (const { time } of handled)
          record('offshoot.event.delay', Math.max(0, Date.now() - Date.parse(time)) / 1_000, labels)
      } catch (error) {
        if (error instanceof NotBegun) {
          processing.end(isOvertaken(error.cause) ? undefined : error.cause)
          await release([{ handler, heads }], error.pause)
        } else {
          processing.end(error)
          took({ 'error.type': errorType(error) })
          await onFailed(error)
        }
      }
    })
  }

  /** In a lane of its own, and in the handler's time. Returns what was handled. */
  async function handleInLane(
    handler: Handler,
    heads: Head[],
    each: number,
    processing: Processing,
  ): Promise<readonly Waiting[]> {
    const tenant = heads[0]!.tenant_id
    const lease = lanes.open(tenant)
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`The handler did not end within ${handler.timeout} ms.`)),
        handler.timeout,
      )
    })
    let begun = false
    const work = handleIn(lease.lane, handler, heads, each, tenant, (events) => {
      begun = true
      processing.isOf(events)
    })
    try {
      return await Promise.race([work, timeout])
    } catch (error) {
      throw begun && !isOvertaken(error) ? error : new NotBegun(error)
    } finally {
      clearTimeout(timer)
      lease.close() // a handler that still runs has no database any more
    }
  }

  async function handleIn(
    lane: any,
    handler: Handler,
    heads: Head[],
    each: number,
    tenant: TenantId,
    onBegun: (events: readonly Waiting[]) => void,
  ): Promise<readonly Waiting[]> {
    let prepared: Awaited<ReturnType<typeof prepareNext>>
    if (handler.reactions.some(({ prepare }) => prepare)) {
      prepared = await prepareNext(lane, handler, heads[0]!, tenant, onBegun)
    }
    let settling: readonly unknown[] = []
    const handle = async (tx: any): Promise<readonly Waiting[]> => {
      const { ready, held } = inOrder(await next(tx, handler, heads, each), options.longestGap)
      onBegun(ready)
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
      settling = settled(handler, heads, ready, held)
      return ready
    }
    return lane.transaction(handle, { conclude: () => settling })
  }

  async function prepareNext(
    lane: any,
    handler: Handler,
    head: Head,
    tenant: TenantId,
    onBegun: (events: readonly Waiting[]) => void,
  ): Promise<{ id: string; value: unknown } | undefined> {
    const [event] = inOrder(await next(lane, handler, [head], 1), options.longestGap).ready
    onBegun(event ? [event] : [])
    const reaction = event && reactionTo(handler, event)
    if (!event || !reaction?.prepare) return undefined
    const caller = {
      identity: {
        actor: { kind: 'service', id: `${domain}.${handler.name}` },
        tenant,
        plan: null,
        role: null,
        scopes: null,
      } as const,
      deadline: performance.now() + handler.timeout,
      requestId: event.id,
    }
    const clients = Object.fromEntries(
      Object.entries(options.uses).map(([name, contract]) => [
        name,
        createClient(contract, options.link, options.tokens, caller),
      ]),
    )
    return {
      id: event.id,
      value: await reaction.prepare({ db: lane, clients, tenant, log }, read(handler, event, tenant)),
    }
  }

  /** What was leased with all that waits is handled without asking again: `settle` notices when somebody else was faster. */
  async function next(
    db: any,
    handler: Handler,
    heads: Head[],
    each: number,
  ): Promise<(Waiting & { handled: number })[]> {
    const known = heads.flatMap(({ event, handled }) => (event ? [{ ...event, handled: Number(handled) }] : []))
    const complete = known.length === heads.length && (each === 1 || !heads.some(({ more }) => more))
    return complete ? known : take(db, handler, heads, each)
  }

  async function take(
    db: any,
    handler: Handler,
    heads: Head[],
    each: number,
  ): Promise<(Waiting & { handled: number })[]> {
    const keys = JSON.stringify(heads.map(({ source, aggregate }) => ({ source, aggregate })))
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

  /** The statement, which leaves together with COMMIT. */
  function settled(handler: Handler, heads: Head[], done: Waiting[], held: Map<string, Held>): readonly unknown[] {
    const handled = new Map(done.map((event) => [keyOf(event), event.revision]))
    const states = heads.map(({ source, aggregate }) => {
      const key = keyOf({ source, aggregate })
      return {
        source,
        aggregate,
        handled: handled.get(key) ?? 0,
        held: held.get(key)?.revision,
        ready_at: held.get(key)?.until,
      }
    })
    const ids = done.map(({ id }) => id)
    return [`select ${schema}.settle($1::text, $2::jsonb, $3::uuid[])`, handler.name, JSON.stringify(states), ids]
  }

  async function fail(handler: Handler, head: Head, error: unknown): Promise<void> {
    const again =
      head.attempts < handler.attempts ? new Date(Date.now() + retryAfter(head.attempts, options.firstRetry)) : null
    const values = [
      head.tenant_id,
      handler.name,
      head.source,
      head.aggregate,
      head.leased_until,
      head.attempts,
      reasonOf(error),
      again,
    ]
    const noted = await whileLeased(head, () =>
      pool.query<{ noted: boolean }>(`SELECT ${schema}.fail($1, $2, $3, $4, $5, $6, $7, $8) AS noted`, values),
    )
    if (!noted.rows[0]!.noted) return // it was handled after all, or is somebody else's
    const outcome = again ? 'retry' : 'dead'
    count('offshoot.event.failures', { domain, 'offshoot.handler': handler.name, 'offshoot.event.outcome': outcome })
    log.warn(
      { err: error, handler: handler.name, tenant: head.tenant_id, aggregate: head.aggregate, attempts: head.attempts },
      again ? 'an event failed and will be tried again' : 'an event is dead',
    )
  }

  /** The database may be what failed: what cannot be noted at once is noted when it is back, unless the lease is over by then. */
  async function whileLeased<T>({ leased_until }: Head, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (stopping || Date.now() > leased_until.getTime()) throw error
        await sleep(100)
      }
    }
  }

  const subscription = sources.length > 0 ? await options.transport.subscribe(domain, sources, receive) : undefined
  return {
    wake,
    async stop() {
      stopping = true
      await subscription?.stop()
      await dispatch.stop()
      const waiting = queue
      queue = []
      await release(waiting).catch(() => {}) // the leases end by themselves
      await Promise.all(working)
    },
  }
}

/** The database was away, or too busy, or somebody else was faster: no event is to blame. */
class NotBegun extends Error {
  /** In ms, with jitter. */
  readonly pause = 250 + Math.random() * 500

  constructor(cause: unknown) {
    super('No event could be begun.', { cause })
  }
}

interface Group {
  handler: Handler
  heads: Head[]
}

/**
 * Aggregates of one tenant that a batch handler takes together; others one by one. They join the groups that `wait`, as far as there is room in these. What no handler here
 * knows is left to a process that does.
 */
function groupsOf(
  heads: readonly Head[],
  handlers: ReadonlyMap<string, Handler>,
  wait: readonly Group[] = [],
): Group[] {
  const groups = [...wait]
  const batches = new Map(wait.map((group) => [`${group.handler.name}\n${group.heads[0]!.tenant_id}`, group]))
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

/** An aggregate that waits for an event before this one. */
interface Held {
  revision: number
  until: string
}

/** What may be handled now, and until when to wait for the aggregates of which an earlier event is missing. */
function inOrder(
  events: (Waiting & { handled: number })[],
  longestGap: number,
): { ready: Waiting[]; held: Map<string, Held> } {
  const ready: Waiting[] = []
  const held = new Map<string, Held>()
  const reached = new Map<string, number>()
  for (const event of events) {
    const key = keyOf(event)
    if (held.has(key)) continue
    const until = Date.parse(event.received_at) + longestGap
    const complete = Number(event.after) <= (reached.get(key) ?? event.handled)
    if (event.status === 'pending' && (complete || until <= Date.now())) {
      ready.push(event)
      reached.set(key, Number(event.revision))
    } else held.set(key, { revision: Number(event.revision), until: new Date(until).toISOString() })
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
const retryAfter = (attempts: number, firstRetry: number) =>
  Math.min(longestRetry, firstRetry * 2 ** (attempts - 1)) * (0.5 + Math.random())

/** The message alone: details of an error may hold personal data. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 1_000)
}

function sql(start: string, between: readonly string[], values: readonly unknown[]): Sql {
  return new Sql([start, ...between], values as never)
}
