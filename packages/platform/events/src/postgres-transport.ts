import pg from 'pg'
import type { Message } from './envelope.ts'
import { type Loop, startLoop } from './loop.ts'
import { forgottenAfter } from './retention.ts'
import { someShareIsFull } from './shares.ts'
import type { Transport } from './transport.ts'

export interface PostgresTransportOptions {
  /** Of the transport's own role, `events`. */
  url: string
  /** Told of trouble, once, and of its end. */
  onTrouble(error: unknown | undefined): void
  /** How often to look without being told, in ms. Default 500. */
  poll?: number
}

/** Messages of one delivery, shared by the tenants that wait. */
const most = 500

const claim = `
  WITH RECURSIVE walk AS (
    (SELECT tenant_id FROM events.delivery ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.tenant_id FROM events.delivery d WHERE d.tenant_id > t.tenant_id ORDER BY d.tenant_id LIMIT 1)
    FROM walk t WHERE t.tenant_id IS NOT NULL
  ), tenants AS MATERIALIZED (
    SELECT tenant_id FROM walk
    WHERE tenant_id IS NOT NULL AND EXISTS (SELECT FROM events.delivery d WHERE d.tenant_id = walk.tenant_id AND d.consumer = $1)
    ORDER BY random() LIMIT ${most}
  )
  SELECT d.* FROM tenants t CROSS JOIN LATERAL (
    SELECT tenant_id AS tenant, position, id, body, signature FROM events.delivery d
    WHERE d.tenant_id = t.tenant_id AND d.consumer = $1 ORDER BY d.position
    LIMIT (SELECT greatest(1, ${most} / greatest(1, count(*))) FROM tenants) FOR UPDATE SKIP LOCKED
  ) d`

/**
 * Messages in tables: one row for each consumer, deleted once it has been received. Consumers are told by NOTIFY, sent by the publisher after its commit: at
 * commit NOTIFY takes a lock of the whole server, which no business transaction should wait for.
 */
export function postgresTransport({ url, onTrouble, poll = 500 }: PostgresTransportOptions): Transport {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'offshoot events',
    max: 6,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 20_000,
    keepAlive: true,
    onConnect: (client) => void client.on('error', () => {}), // its next statement says so
  })
  pool.on('error', () => {})
  /** Sources that are known to have their place; asked again after each failure. */
  const prepared = new Set<string>()
  const consumers = new Map<string, Set<Loop>>()
  function wake(consumer: string): void {
    for (const loop of consumers.get(consumer) ?? []) loop.wake()
  }
  const listening = listen(url, wake)

  return {
    system: 'postgresql',

    async prepare(source, refill) {
      if (prepared.has(source)) return
      const { rowCount } = await pool.query('SELECT FROM events.source WHERE source = $1', [source])
      if (rowCount === 0) {
        await refill()
        await pool.query('INSERT INTO events.source (source) VALUES ($1) ON CONFLICT (source) DO NOTHING', [source])
      }
      prepared.add(source)
    },

    async publish(source, messages) {
      const kept = pool.query<{ consumer: string }>({
        name: 'publish',
        text: `WITH given AS (
            SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) WITH ORDINALITY AS m(tenant_id, id, body, signature, n)
          ), kept AS (
            INSERT INTO events.delivery (tenant_id, consumer, id, body, signature)
            SELECT m.tenant_id, s.consumer, m.id, m.body, m.signature FROM given m CROSS JOIN events.subscription s
            WHERE s.source = $1 AND s.seen_at > now() - interval '${forgottenAfter}' ORDER BY m.n
          ) SELECT consumer FROM events.subscription WHERE source = $1`,
        values: [
          source,
          messages.map((m) => m.tenant),
          messages.map((m) => m.id),
          messages.map((m) => m.body),
          messages.map((m) => m.signature),
        ],
      })
      kept.catch(() => prepared.delete(source))
      const { rows } = await kept
      for (const { consumer } of rows) wake(consumer)
      if (rows.length > 0)
        pool
          .query(`SELECT pg_notify('offshoot_events', $1)`, [rows.map(({ consumer }) => consumer).join(',')])
          .catch(() => {})
    },

    async subscribe(consumer, sources, receive) {
      const show = () =>
        pool.query(
          `INSERT INTO events.subscription (source, consumer) SELECT unnest($1::text[]), $2 ON CONFLICT (source, consumer) DO UPDATE SET seen_at = now()`,
          [sources, consumer],
        )
      await show()
      const shown = setInterval(() => show().catch(() => {}), 60 * 60_000)
      shown.unref()

      const loop = startLoop({
        idle: poll,
        onTrouble,
        async work() {
          const client = await pool.connect()
          let broken = true
          try {
            // What a crash of the server brings back is delivered again, as it may be: nobody waits for the disk.
            await client.query('BEGIN; SET LOCAL synchronous_commit = off')
            const { rows } = await client.query<Message & { position: string }>({
              name: 'claim',
              text: claim,
              values: [consumer],
            })
            if (rows.length > 0) {
              await receive(rows)
              await client.query({
                name: 'delete',
                text: `DELETE FROM events.delivery d USING unnest($2::uuid[], $3::bigint[]) AS r(tenant_id, position)
                  WHERE d.tenant_id = r.tenant_id AND d.consumer = $1 AND d.position = r.position`,
                values: [consumer, rows.map((row) => row.tenant), rows.map((row) => row.position)],
              })
            }
            await client.query('COMMIT')
            broken = false
            return someShareIsFull(
              rows.map((row) => row.tenant),
              most,
            )
          } finally {
            client.release(broken)
          }
        },
      })
      const loops = consumers.get(consumer) ?? new Set()
      consumers.set(consumer, loops.add(loop))
      return {
        async stop() {
          clearInterval(shown)
          loops.delete(loop)
          await loop.stop()
        },
      }
    },

    async ping() {
      await pool.query('SELECT')
    },

    async close() {
      await listening.stop()
      await pool.end()
    },
  }
}

/** Passes on what other processes say; polling makes up for whatever is missed while the connection is down. */
function listen(url: string, wake: (consumer: string) => void): Loop {
  return startLoop({
    idle: 0,
    onTrouble: () => {}, // whoever polls tells
    async work(signal) {
      const client = new pg.Client({
        connectionString: url,
        application_name: 'offshoot events listen',
        connectionTimeoutMillis: 5_000,
        keepAlive: true,
      })
      let over = () => {}
      const ended = new Promise<void>((resolve) => {
        over = resolve
      })
      client.on('error', over)
      client.on('end', over)
      signal.addEventListener('abort', over)
      client.on('notification', ({ payload }) => {
        for (const consumer of payload?.split(',') ?? []) wake(consumer)
      })
      try {
        await Promise.race([client.connect().then(() => client.query('LISTEN offshoot_events')), ended])
        await ended
      } finally {
        signal.removeEventListener('abort', over)
        void client.end().catch(() => {})
      }
      if (!signal.aborted) throw new Error('The connection was lost.')
      return false
    },
  })
}
