import pg from 'pg'
import type { HandlerLog } from './handler.ts'
import type { ScheduledWork } from './schedules.ts'

/** A consumer that did not show up for this long gets nothing kept any more. */
export const forgottenAfter = '7 days'

/** Rows of one statement: what is deleted holds nobody up. */
const batch = 1_000

/**
 * Deletes what a domain has published, and what it has handled, longer than `days` ago; returns how many rows. From then on neither is known: an event that is
 * delivered again would be handled again, and a projection that is rebuilt begins after it. What waits and what is dead stays, however old.
 */
export async function purge(pool: pg.Pool, domain: string, days: number): Promise<number> {
  const before = new Date(Date.now() - days * 24 * 60 * 60_000)
  const tables = [
    { table: `"${domain}".outbox`, key: ['tenant_id'], where: 'published_at < $1' },
    {
      table: `"${domain}".inbox`,
      key: ['tenant_id', 'handler'],
      where: `received_at < $1 AND status IN ('done', 'discarded')`,
    },
  ]
  let deleted = 0
  for (const { table, key, where } of tables) {
    for (const values of await distinct(pool, table, key)) {
      const of = key.map((column, n) => `${column} = $${n + 3}`).join(' AND ')
      deleted += await inBatches(
        pool,
        `DELETE FROM ${table} WHERE ${of} AND id IN (SELECT id FROM ${table} WHERE ${of} AND id < $2 AND ${where} ORDER BY id LIMIT ${batch})`,
        [before, firstIdAt(before), ...values],
      )
    }
  }
  return deleted
}

/** Forgets the consumers that have not shown up for long, with what was kept for them. `pool` is that of the role that carries events. */
export async function purgeDeliveries(pool: pg.Pool): Promise<number> {
  await pool.query(`DELETE FROM events.subscription WHERE seen_at < now() - interval '${forgottenAfter}'`)
  const { rows } = await pool.query<{ consumer: string }>('SELECT consumer FROM events.subscription')
  const known = new Set(rows.map(({ consumer }) => consumer))
  let deleted = 0
  for (const [tenant, consumer] of await distinct(pool, 'events.delivery', ['tenant_id', 'consumer'])) {
    if (known.has(consumer!)) continue
    deleted += await inBatches(
      pool,
      `DELETE FROM events.delivery WHERE tenant_id = $1 AND consumer = $2 AND position IN (
        SELECT position FROM events.delivery WHERE tenant_id = $1 AND consumer = $2 ORDER BY position LIMIT ${batch})`,
      [tenant, consumer],
    )
  }
  return deleted
}

/** What the clock starts for the transport, in whichever process: `url` is that of the role that carries events. */
export function transportWork(url: string, log: HandlerLog): ScheduledWork[] {
  return [
    {
      name: 'events.forget-consumers',
      cron: '40 3 * * *',
      async run() {
        const pool = new pg.Pool({
          connectionString: url,
          max: 1,
          connectionTimeoutMillis: 5_000,
          statement_timeout: 60_000,
        })
        pool.on('error', () => {})
        try {
          log.info({ rows: await purgeDeliveries(pool) }, 'consumers that did not show up any more were forgotten')
        } finally {
          await pool.end()
        }
      },
    },
  ]
}

/** The values of the first columns of a table's key, found by leaping from one to the next. */
export async function distinct(pool: pg.Pool, table: string, key: readonly string[]): Promise<string[][]> {
  const columns = key.join(', ')
  const { rows } = await pool.query<string[]>({
    text: `WITH RECURSIVE found AS (
        (SELECT ${columns} FROM ${table} ORDER BY ${columns} LIMIT 1)
        UNION ALL
        SELECT next.* FROM found f CROSS JOIN LATERAL (
          SELECT ${columns} FROM ${table} WHERE (${columns}) > (${key.map((column) => `f.${column}`).join(', ')}) ORDER BY ${columns} LIMIT 1
        ) next
      ) SELECT * FROM found`,
    rowMode: 'array',
  })
  return rows
}

async function inBatches(pool: pg.Pool, statement: string, values: unknown[]): Promise<number> {
  let deleted = 0
  for (;;) {
    const { rowCount } = await pool.query(statement, values)
    deleted += rowCount ?? 0
    if ((rowCount ?? 0) < batch) return deleted
  }
}

/** The smallest id that an event of that moment can have: they are UUIDv7, so that what is old lies together in the key. */
function firstIdAt(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}
