import { count, errorType } from '@offshoot/telemetry'
import type pg from 'pg'
import type { Message, Seal } from './envelope.ts'
import { type Loop, startLoop } from './loop.ts'
import { someShareIsFull } from './shares.ts'
import { beginSending } from './tracing.ts'
import type { Transport } from './transport.ts'

export interface RelayOptions {
  /** The domain whose outbox is published. */
  source: string
  /** Connections of the domain's system role. */
  pool: pg.Pool
  transport: Transport
  seal: Seal
  onTrouble(error: unknown | undefined): void
  /** How often to look without being told, in ms. */
  poll: number
}

interface OutboxRow {
  tenant_id: string
  id: string
  aggregate: string
  revision: string
  last_by_type: object
  type: string
  version: number
  time: Date
  traceparent: string | null
  data: unknown
}

/** Events of one round, shared by the tenants that wait: more are hardly faster, and whoever comes next waits for the end of the round. */
const most = 500

/** How far back events are published again for a transport that has lost its own: consumers that were away for longer are rebuilt instead. */
const republished = '7 days'

const lockTimeout = '55P03'

/**
 * Publishes a domain's outbox. Every process that hosts the domain has a relay; a lock makes one of them publish at a time, so that each aggregate's events leave
 * in their order. What is to be published is what is not marked as published: no cursor, which would pass over events that commit late, and nothing to wait for
 * when some other transaction is long.
 */
export function startRelay({ source, pool, transport, seal, onTrouble, poll }: RelayOptions): Loop {
  const schema = `"${source}"`

  async function refill(): Promise<void> {
    await inTransaction(pool, 'BEGIN; SET LOCAL statement_timeout = 0', (client) =>
      client.query(
        `UPDATE ${schema}.outbox SET published_at = NULL WHERE published_at > now() - interval '${republished}'`,
      ),
    )
  }

  /** True when there may be more. */
  async function publishSome(client: pg.PoolClient): Promise<boolean> {
    const { rows: events } = await client.query<OutboxRow>({
      name: 'next',
      text: `SELECT * FROM ${schema}.outbox_next(${most})`,
    })
    if (events.length === 0) return false
    await publish(events)
    await client.query({
      name: 'published',
      text: `UPDATE ${schema}.outbox o SET published_at = clock_timestamp()
        FROM unnest($1::uuid[], $2::uuid[]) AS p(tenant_id, id) WHERE o.tenant_id = p.tenant_id AND o.id = p.id`,
      values: [events.map((event) => event.tenant_id), events.map((event) => event.id)],
    })
    return someShareIsFull(
      events.map((event) => event.tenant_id),
      most,
    )
  }

  async function publish(events: readonly OutboxRow[]): Promise<void> {
    const ended = beginSending(events, source, transport.system)
    const messages = events.map((event) => messageOf(event, source, seal))
    try {
      await transport.publish(source, messages)
    } catch (error) {
      ended(error)
      countSent(events, error)
      throw error
    }
    ended()
    countSent(events)
  }

  function countSent(events: readonly OutboxRow[], error?: unknown): void {
    const failure = error === undefined ? {} : { 'error.type': errorType(error) }
    for (const [type, { length }] of Map.groupBy(events, (event) => event.type)) {
      const labels = { 'messaging.system': transport.system, domain: source, 'messaging.destination.name': type }
      count('messaging.client.sent.messages', { ...labels, ...failure }, length)
    }
  }

  return startLoop({
    idle: poll,
    onTrouble,
    async work() {
      await transport.prepare(source, refill)
      // Whoever is woken while another relay is at work waits for it: that one may have looked before the event was there. A mark that a crash of the server takes back
      // is made again with the event's publication, so that nobody waits for the disk; and rows are marked by their key, one by one.
      const begin = `BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL synchronous_commit = off; SET LOCAL jit = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
        SELECT pg_advisory_xact_lock(hashtext('offshoot relay ${source}'))`
      try {
        return await inTransaction(pool, begin, publishSome)
      } catch (error) {
        if ((error as { code?: string }).code === lockTimeout) return false // another relay is busy, and will see what there is
        throw error
      }
    },
  })
}

function messageOf(event: OutboxRow, source: string, seal: Seal): Message {
  return seal.seal({
    specversion: '1.0',
    id: event.id,
    source,
    type: event.type,
    subject: event.aggregate,
    time: event.time.toISOString(),
    datacontenttype: 'application/json',
    dataversion: event.version,
    tenantid: event.tenant_id,
    ...(event.traceparent !== null && { traceparent: event.traceparent }),
    revision: Number(event.revision),
    lastbytype: JSON.stringify(event.last_by_type),
    data: event.data,
  })
}

async function inTransaction<T>(pool: pg.Pool, begin: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken = true
  try {
    await client.query(begin)
    const result = await work(client)
    await client.query('COMMIT')
    broken = false
    return result
  } catch (error) {
    broken = await client.query('ROLLBACK').then(
      () => false,
      () => true,
    )
    throw error
  } finally {
    client.release(broken)
  }
}
