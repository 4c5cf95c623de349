import type { Socket } from 'node:net'
import { apart } from '@offshoot/telemetry'
import pg from 'pg'
import { databaseUnavailable, explainFailure } from './failures.ts'
import { FairQueue } from './fair-queue.ts'
import type { PoolUsage } from './gauges.ts'
import type { Observed } from './observed.ts'
import { patience } from './patience.ts'
import { isRefusal } from './placement.ts'
import { prepareToEnter, TenantQuery } from './tenant-query.ts'

/** The time that one statement may take, in ms; PostgreSQL ends it (`statement_timeout`). Contract calls wait no longer than 2 s. */
export const statementTimeout = 2_000
/** How many statements are on their way on one connection at the same time. */
const pipelineDepth = 8
/** How long a statement waits for room on a connection, in ms. */
const longestWait = 1_000
/** How long connecting may take, in ms. */
export const longestConnect = 5_000
/** A connection whose oldest statement runs longer than this, in ms, gets no new ones: they wait for whichever is ready first. */
const slow = 20
/** How many statements of its own a tenant rather waits for than for one of another tenant, which may turn out to be a long one. */
const distance = 4
/** A connection that has not answered for this long is taken for dead, in ms. */
const silence = statementTimeout + 2_000

interface Slot {
  client: pg.Client | undefined
  /** Tenants of the statements on their way, oldest first. */
  flying: string[]
  /** When the oldest of them began to be the oldest. */
  since: number
  failures: number
}

interface Statement {
  query: TenantQuery
  tenant: string
  answered(error: Error | null, result?: pg.QueryArrayResult): void
  /** Whether somebody still waits for the answer. */
  wanted(): boolean
  /** Ends the waiting for room. */
  served?: () => void
}

/** The part of `pg`'s connection that is used here. */
interface Connection {
  stream: Socket
  on(event: 'readyForQuery', listener: (message: { status: string }) => void): void
}

const codeOf = (error: Error) => (error as { code?: string }).code
const streamOf = (client: pg.Client) => (client as unknown as { connection: Connection }).connection.stream

const corked = new WeakSet<pg.Client>()

/**
 * Gathers what is sent on a connection during one turn of the event loop into one write: with many callers the system calls cost
 * more than the statements (measured: half of the processor time of a primary-key read).
 */
function flushSoon(client: pg.Client): void {
  if (corked.has(client)) return
  corked.add(client)
  const stream = streamOf(client)
  stream.cork()
  setImmediate(() => {
    corked.delete(client)
    stream.uncork()
  })
}

/** What `app.enter` raises when another tenant was entered already. */
const enteredTwice = 'OF001'

export interface Statements {
  /** Runs one statement as `tenant`. `wanted` is asked again before a statement that had to wait is sent. */
  run(tenant: string, config: pg.QueryArrayConfig, wanted: () => boolean): Promise<pg.QueryArrayResult>
  /** Sends `select 1`: resolves when the database answers. */
  ping(): Promise<void>
  usage(): PoolUsage
  close(): Promise<void>
}

/**
 * A few connections shared by all units of work of a domain, each pipelined: statements of different tenants follow each other on
 * one connection without waiting for each other's answers. Single statements only; a transaction takes a connection of its own.
 *
 * Who goes where: to the connection with the fewest statements on their way, rather behind one's own than behind another tenant's, and
 * never behind one that takes long. Until all `connections` are made, nobody shares one: what finds none idle waits for the next to be made. What is refused because the domain has moved is sent by the `successor`. Nobody fills the house: one tenant has statements on at most three quarters of the connections, and when all are busy tenants take turns.
 */
export async function openStatements(
  config: pg.ClientConfig,
  connections: number,
  observed: Observed,
  successor: () => Promise<Statements | undefined> = async () => undefined,
): Promise<Statements> {
  const slots: Slot[] = []
  const queue = new FairQueue<Statement>()
  const share = Math.max(1, Math.ceil(connections * 0.75))
  let closed = false

  async function connect(slot: Slot): Promise<void> {
    const client = new pg.Client({
      ...config,
      pipeline: true,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: longestConnect,
      statement_timeout: statementTimeout,
    } as pg.ClientConfig)
    const { connection } = client as unknown as { connection: Connection }
    // Every statement on its way is rejected as well; 'end' follows. Without it a client that `pg` gave up would look idle for ever.
    client.on('error', () => connection.stream.destroy())
    client.once('end', () => {
      if (slot.client !== client) return
      slot.client = undefined
      slot.flying = []
      reconnect(slot)
    })
    try {
      await apart(() => client.connect())
      await apart(() => prepareToEnter(client))
      if (closed) throw databaseUnavailable()
    } catch (error) {
      client.end().catch(() => {})
      throw error
    }
    // A statement that leaves a transaction open behind it would lend its tenant to whoever comes next on this connection.
    connection.on('readyForQuery', ({ status }) => {
      if (status !== 'I') connection.stream.destroy()
    })
    slot.client = client
    slot.failures = 0
    pump()
  }

  function reconnect(slot: Slot): void {
    if (closed) return
    const pause = Math.min(1_000, 25 * 2 ** slot.failures++)
    setTimeout(
      () => {
        if (!closed) connect(slot).catch(() => reconnect(slot))
      },
      pause * (0.5 + Math.random() / 2),
    ).unref()
  }

  function newSlot(): Slot {
    const slot = { client: undefined, flying: [], since: 0, failures: 0 }
    slots.push(slot)
    return slot
  }

  /** One more connection, if there may be one. */
  function widen(): void {
    if (closed || slots.length === connections) return
    const slot = newSlot()
    apart(() => connect(slot)).catch(() => reconnect(slot))
  }

  /** The best connection with room for this tenant, if there is one. */
  function room(tenant: string): Slot | undefined {
    const now = performance.now()
    let best: Slot | undefined
    let bestScore = Number.POSITIVE_INFINITY
    let held = 0
    for (const slot of slots) if (slot.flying.includes(tenant)) held++
    for (const slot of slots) {
      const { flying } = slot
      const mine = flying.includes(tenant)
      if (!slot.client || flying.length >= pipelineDepth) continue
      if (flying.length > 0 && (slots.length < connections || now - slot.since > slow)) continue
      if (held >= share && !mine) continue
      const score = flying.length + (flying.length === 0 || mine ? 0 : distance)
      if (score < bestScore) [best, bestScore] = [slot, score]
    }
    return best
  }

  function pump(): void {
    while (queue.keys > 0) {
      let slot: Slot | undefined
      const next = queue.shift((tenant) => {
        slot = room(tenant)
        return slot !== undefined
      })
      if (!next) {
        widen()
        return
      }
      next.served!()
      if (next.wanted()) send(slot!, next)
      else
        next.answered(
          databaseUnavailable(new Error('The unit of work ended while its statement waited for a connection.')),
        )
    }
  }

  function send(slot: Slot, { query, tenant, answered }: Statement): void {
    const client = slot.client!
    if (slot.flying.length === 0) slot.since = performance.now()
    slot.flying.push(tenant)
    query.callback = (error, result) => {
      if (slot.client === client) {
        slot.flying.shift()
        slot.since = performance.now()
      }
      // A session that belongs to a tenant outside of its statements must not serve another one.
      if (error && codeOf(error) === enteredTwice) streamOf(client).destroy()
      answered(error, result)
      if (queue.keys > 0) pump()
    }
    flushSoon(client)
    apart(() => client.query(query as never))
  }

  function submit(statement: Statement): void {
    const { tenant } = statement
    const slot = queue.has(tenant) ? undefined : room(tenant)
    if (closed) {
      statement.answered(databaseUnavailable())
    } else if (slot) {
      send(slot, statement)
    } else {
      statement.served = patience(longestWait, () => {
        queue.remove(tenant, statement)
        statement.answered(databaseUnavailable(new Error(`No connection had room within ${longestWait} ms.`)))
      })
      queue.push(tenant, statement)
      widen()
    }
  }

  function run(tenant: string, config: pg.QueryArrayConfig, wanted: () => boolean): Promise<pg.QueryArrayResult> {
    return new Promise((resolve, reject) => {
      function answered(error: Error | null, result?: pg.QueryArrayResult): void {
        if (!error) resolve(result!)
        // A neighbour's failure may have taken the preparation of a statement with it that this one counted on ("prepared statement
        // does not exist"). It has not run, so that it can be sent again, preparing for itself.
        else if (codeOf(error) === '26000' && config.name) {
          const { name: _, ...unnamed } = config
          submit({
            query: new TenantQuery(unnamed, tenant),
            tenant,
            wanted,
            answered: (again, rows) => (again ? failed(again) : resolve(rows!)),
          })
        } else failed(error)
      }

      // It was all of its transaction, so that nothing of it was done and it may be sent again.
      function failed(error: Error): void {
        const next = isRefusal(error) ? successor() : Promise.resolve(undefined)
        next
          .then((next) => {
            if (!next || !wanted()) throw error
            return next.run(tenant, config, wanted)
          })
          .then(resolve, (failure) => reject(explainFailure(failure)))
      }
      submit({ query: new TenantQuery(config, tenant), tenant, wanted, answered })
    })
  }

  /** Lets what is on its way come back, for as long as a statement may take. */
  async function close(): Promise<void> {
    closed = true
    clearInterval(watch)
    const clients = slots.flatMap(({ client }) => client ?? [])
    const cut = setTimeout(() => {
      for (const client of clients) streamOf(client).destroy()
    }, statementTimeout)
    await Promise.allSettled(clients.map((client) => client.end()))
    clearTimeout(cut)
  }

  const watch = setInterval(() => {
    for (const { client, flying, since } of slots) {
      if (client && flying.length > 0 && performance.now() - since > silence) {
        streamOf(client).destroy()
      }
    }
  }, 500)
  watch.unref()

  try {
    await connect(newSlot())
  } catch (error) {
    await close()
    throw explainFailure(error)
  }

  return {
    run: (tenant, config, wanted) => observed.statement(config.text, tenant, () => run(tenant, config, wanted)),
    ping() {
      return new Promise((resolve, reject) => {
        const client = slots.find((slot) => slot.client)?.client
        if (!client) return reject(databaseUnavailable())
        const answered = patience(longestWait, () => reject(databaseUnavailable()))
        apart(() => client.query('select 1'))
          .then(
            () => resolve(),
            (error) => reject(explainFailure(error)),
          )
          .finally(answered)
      })
    },
    usage() {
      const open = slots.filter(({ client }) => client)
      const used = open.filter(({ flying }) => flying.length > 0).length
      return { idle: open.length - used, used, max: connections, pending: queue.size }
    },
    close,
  }
}
