import { setTimeout as sleep } from 'node:timers/promises'
import type { Lanes } from '@offshoot/data'
import { Problem, TenantId } from '@offshoot/rpc'
import { Sql } from '@prisma/client/runtime/client'
import pg from 'pg'
import type { Handler, HandlerLog, Received } from './handler.ts'
import { distinct } from './retention.ts'
import { unrecorded } from './tracing.ts'

export interface RebuildOptions {
  /** The domain whose handler it is. */
  domain: string
  handler: Handler
  /** The domain's lanes, with time for transactions that last: see `longestRebuild`. */
  lanes: Lanes<any>
  /** Connections of the system role of a domain that emits, to read its history. */
  historyOf(source: string): Promise<pg.Pool>
  log: HandlerLog
  /** Told after each tenant. */
  onTenant?(tenant: TenantId, events: number): void
}

/** How long the transaction of one tenant may take, in ms. */
export const longestRebuild = 60 * 60_000

/** Events of one step: as many as a batch handler gets. */
const step = 100
/** Rows that are read from a history, and noted, at a time. */
const page = 1_000
/** How often a tenant is tried when others were in the way. */
const tries = 5

interface Past {
  source: string
  id: string
  aggregate: string
  revision: string
  last_by_type: Record<string, number>
  type: string
  version: number
  time: Date
  /** Its time, or that of an earlier event of its aggregate if that is later: clocks may go back, and revisions don't. */
  place: Date
  traceparent: string | null
  data: unknown
}

/**
 * Builds again what a handler has made of history, while everybody goes on: for each tenant, in one transaction, the handler forgets, gets every event that is kept,
 * in the order of time and of each aggregate's revisions, and each is noted as handled. Until the commit readers see what was there before, and this tenant's events
 * of this handler wait; those that were not read are handled after it. Events that an operator has discarded stay discarded. Returns how many events of how
 * many tenants it was.
 */
export async function rebuild(options: RebuildOptions): Promise<{ tenants: number; events: number }> {
  const { handler, domain, historyOf, onTenant } = options
  if (!handler.rebuild) throw new Error(`The handler ${handler.name} of ${domain} does not say how it is rebuilt.`)
  if (handler.reactions.some(({ prepare }) => prepare))
    throw new Error(`The handler ${handler.name} of ${domain} prepares its reactions, and cannot be rebuilt.`)
  const types = Map.groupBy(handler.reactions, ({ event }) => event.source)
  const histories = new Map<string, pg.Pool>()
  for (const source of types.keys()) histories.set(source, await historyOf(source))

  const tenants = new Set<string>()
  for (const [source, pool] of histories)
    for (const [tenant] of await distinct(pool, `"${source}".outbox`, ['tenant_id'])) tenants.add(tenant!)
  let events = 0
  for (const tenant of [...tenants].sort()) {
    const count = await persistently(() => unrecorded(() => rebuildTenant(options, TenantId.parse(tenant), histories)))
    events += count
    onTenant?.(TenantId.parse(tenant), count)
  }
  return { tenants: tenants.size, events }
}

/** Those who were in the way, in a deadlock for example, are gone when it is tried again. */
async function persistently<T>(work: () => Promise<T>): Promise<T> {
  for (let left = tries - 1; ; left--) {
    try {
      return await work()
    } catch (error) {
      const passing = error instanceof Problem && ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code)
      if (!passing || left === 0) throw error
      await sleep(500 + Math.random() * 500)
    }
  }
}

async function rebuildTenant(
  { domain, handler, lanes, log }: RebuildOptions,
  tenant: TenantId,
  histories: ReadonlyMap<string, pg.Pool>,
): Promise<number> {
  const schema = `"${domain}"`
  return lanes.use(tenant, (db) =>
    db.transaction(async (tx: any) => {
      await tx.$queryRaw(sql(`select ${schema}.begin_rebuild(`, ['::text)'], [handler.name]))
      await handler.rebuild!.forget(tx)
      const discarded = await discardedBy(handler, schema, tx)
      // Read after the lock was taken: whatever is not in these snapshots comes through the inbox, after the commit.
      const opened: History[] = []
      const seen: object[] = []
      try {
        for (const [source, pool] of histories)
          opened.push(await openHistory(source, pool, tenant, typesOf(handler, source)))
        for await (const events of inSteps(inOrder(opened))) {
          const wanted = events.filter(({ id }) => !discarded.has(id))
          await feed(handler, { tx, tenant, log }, wanted)
          for (const event of wanted) seen.push(noteOf(handler, event))
        }
      } finally {
        await Promise.allSettled(opened.map((history) => history.close()))
      }
      // At the end, since whoever receives one of these events now waits for the commit.
      for (let at = 0; at < seen.length; at += page) {
        const some = JSON.stringify(seen.slice(at, at + page))
        await tx.$queryRaw(sql(`select ${schema}.note_rebuilt(`, ['::text, ', '::jsonb)::int'], [handler.name, some]))
      }
      return seen.length
    }),
  )
}

async function discardedBy(handler: Handler, schema: string, tx: any): Promise<Set<string>> {
  const rows: { id: string }[] = await tx.$queryRaw(
    sql(
      `select id::text from ${schema}.inbox where tenant_id = app.tid() and status = 'discarded' and handler = `,
      [''],
      [handler.name],
    ),
  )
  return new Set(rows.map(({ id }) => id))
}

async function feed(
  handler: Handler,
  context: { tx: any; tenant: TenantId; log: HandlerLog },
  events: Past[],
): Promise<void> {
  const reactionTo = ({ type }: Past) => handler.reactions.find(({ event }) => event.name === type)!
  const read = (event: Past): Received => {
    const { id, type, time, version } = event
    const data = reactionTo(event).event.read(version, event.data)
    return { id, type, time: time.toISOString(), tenant: context.tenant, data }
  }
  for (const some of handler.batch ? [events] : events.map((event) => [event])) {
    const [first, last] = [some[0], some.at(-1)]
    if (!first || !last) continue
    try {
      if (handler.batch) await handler.batch(context, some.map(read))
      else await reactionTo(first).handle(context, read(first), undefined)
    } catch (error) {
      if (error instanceof Problem) throw error
      const which = first === last ? `The event ${first.id}` : `An event from ${first.id} to ${last.id}`
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(
        `${which} of tenant ${context.tenant} cannot be handled; nothing of this tenant was rebuilt. ${why}`,
        { cause: error },
      )
    }
  }
}

const typesOf = (handler: Handler, source: string) =>
  handler.reactions.flatMap(({ event }) => (event.source === source ? [event.name] : []))

function noteOf(handler: Handler, event: Past): object {
  const { source, id, aggregate, revision, last_by_type, type, version, time, traceparent } = event
  const before = handler.reactions.map((reaction) =>
    reaction.event.source === source ? (last_by_type[reaction.event.name] ?? 0) : 0,
  )
  return { source, id, aggregate, revision, after: Math.max(0, ...before), type, version, time, traceparent }
}

interface History {
  /** The next event, left in its place. */
  peek(): Promise<Past | undefined>
  take(): void
  close(): Promise<void>
}

/** A tenant's events of these types, as they are at this moment: a snapshot, so that no event is in it without the earlier ones of its aggregate. */
async function openHistory(source: string, pool: pg.Pool, tenant: TenantId, types: string[]): Promise<History> {
  const client = await pool.connect()
  let rows: Past[] = []
  let at = 0
  let more = true
  try {
    await client.query('BEGIN READ ONLY')
    await client.query(
      `DECLARE history NO SCROLL CURSOR FOR SELECT * FROM (
         SELECT id, aggregate, revision, last_by_type, type, version, time, traceparent, data,
           max(time) OVER (PARTITION BY aggregate ORDER BY revision) AS place
         FROM "${source}".outbox WHERE tenant_id = ${pg.escapeLiteral(tenant)}
       ) o WHERE type IN (${types.map((type) => pg.escapeLiteral(type)).join(', ')}) ORDER BY place, aggregate, revision`,
    )
  } catch (error) {
    client.release(true)
    throw error
  }
  return {
    async peek() {
      if (at === rows.length && more) {
        rows = (await client.query<Past>(`FETCH ${page} FROM history`)).rows.map((row) => ({ ...row, source }))
        at = 0
        more = rows.length === page
      }
      return rows[at]
    },
    take: () => void at++,
    async close() {
      const ended = await client.query('ROLLBACK').catch((error: Error) => error)
      client.release(ended instanceof Error)
    },
  }
}

/** The events of all histories, by time; those of one in their own order. */
async function* inOrder(histories: readonly History[]): AsyncGenerator<Past> {
  for (;;) {
    let next: { history: History; event: Past } | undefined
    for (const history of histories) {
      const event = await history.peek()
      if (event && (!next || event.place < next.event.place)) next = { history, event }
    }
    if (!next) return
    next.history.take()
    yield next.event
  }
}

async function* inSteps<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let some: T[] = []
  for await (const item of items) {
    some.push(item)
    if (some.length < step) continue
    yield some
    some = []
  }
  if (some.length > 0) yield some
}

function sql(start: string, between: readonly string[], values: readonly unknown[]): Sql {
  return new Sql([start, ...between], values as never)
}
