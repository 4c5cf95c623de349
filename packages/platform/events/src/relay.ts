import type pg from 'pg'
import type { Seal } from './envelope.ts'
import { type Loop, startLoop } from './loop.ts'
import { type Transport, TransportLostError } from './transport.ts'

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

/** Events of one tenant in one round, and of all. */
const perTenant = 100
const most = 500

/** How far back events are published again for a transport that has lost its own: consumers that were away for longer are rebuilt instead. */
const republished = '7 days'

/**
 * Publishes a domain's outbox. Every process that hosts the domain has a relay; a lock makes one of them publish at a time, so that each aggregate's events leave
 * in their order. What is to be published is what is not marked as published: no cursor, which would pass over events that commit late, and nothing to wait for
 * when some other transaction is long.
 */
export function startRelay({ source, pool, transport, seal, onTrouble, poll }: RelayOptions): Loop {
  const schema = `"${source}"`
  let prepared = false

  async function prepare(): Promise<void> {
    if (prepared) return
    if ((await transport.prepare(source)) === 'new') {
      await pool.query(
        `UPDATE ${schema}.outbox SET published_at = NULL WHERE published_at > now() - interval '${republished}'`,
      )
    }
    prepared = true
  }

  async function publishSome(client: pg.PoolClient): Promise<number> {
    const { rows: events } = await client.query<OutboxRow>({
      name: 'next',
      text: `SELECT * FROM ${schema}.outbox_next(${perTenant}, ${most})`,
    })
    if (events.length === 0) return 0
    const messages = events.map((event) =>
      seal.seal({
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
      }),
    )
    await transport.publish(source, messages)
    await client.query({
      name: 'published',
      text: `UPDATE ${schema}.outbox o SET published_at = clock_timestamp()
        FROM unnest($1::uuid[], $2::uuid[]) AS p(tenant_id, id) WHERE o.tenant_id = p.tenant_id AND o.id = p.id`,
      values: [events.map((event) => event.tenant_id), events.map((event) => event.id)],
    })
    return events.length
  }

  return startLoop({
    idle: poll,
    onTrouble,
    async work() {
      await prepare()
      const client = await pool.connect()
      let broken: boolean | undefined = true
      try {
        // Whoever is woken while another relay is at work waits for it: that one may have looked before the event was there.
        await client.query(
          `BEGIN; SET LOCAL lock_timeout = '2s'; SELECT pg_advisory_xact_lock(hashtext('offshoot relay ${source}'))`,
        )
        const published = await publishSome(client)
        await client.query('COMMIT')
        broken = undefined
        return published >= perTenant
      } catch (error) {
        if ((error as { code?: string }).code === '55P03') return false // another relay is busy, and will see what there is
        if (error instanceof TransportLostError) prepared = false
        throw error
      } finally {
        client.release(broken)
      }
    },
  })
}
