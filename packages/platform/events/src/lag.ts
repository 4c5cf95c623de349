import type pg from 'pg'

/** How far a domain's events are behind what happened. */
export interface OutboxLag {
  domain: string
  /** Events that are not published yet. */
  unpublished: number
  /** How long the oldest of them has waited, in seconds. */
  oldestSeconds: number | null
}

/** How far a handler is behind what it was told. */
export interface HandlerLag {
  domain: string
  handler: string
  /** Events that it has received and not handled. Those behind a dead one are among them. */
  waiting: number
  /** How long the oldest of them has waited, in seconds. */
  oldestSeconds: number | null
  dead: number
}

/** `pool` is that of the domain's system role. Rejects when the database takes longer than `within` ms. */
export async function outboxLag(pool: pg.Pool, domain: string, within?: number): Promise<OutboxLag> {
  const [lag] = await ask<Omit<OutboxLag, 'domain'>>(
    pool,
    `SELECT count(*)::int AS unpublished, extract(epoch FROM clock_timestamp() - min(time))::float AS "oldestSeconds"
     FROM "${domain}".outbox WHERE published_at IS NULL`,
    within,
  )
  return { domain, ...lag! }
}

/** The handlers for which something waits or is dead. `pool` is that of the domain's system role. Rejects when the database takes longer than `within` ms. */
export async function handlerLag(pool: pg.Pool, domain: string, within?: number): Promise<HandlerLag[]> {
  const rows = await ask<Omit<HandlerLag, 'domain'>>(
    pool,
    `SELECT handler, count(*) FILTER (WHERE status = 'pending')::int AS waiting, count(*) FILTER (WHERE status = 'dead')::int AS dead,
       extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE status = 'pending'))::float AS "oldestSeconds"
     FROM "${domain}".inbox WHERE status IN ('pending', 'dead') GROUP BY handler ORDER BY handler`,
    within,
  )
  return rows.map((row) => ({ domain, ...row }))
}

async function ask<Row extends object>(pool: pg.Pool, question: string, within?: number): Promise<Row[]> {
  if (within === undefined) return (await pool.query<Row>(question)).rows
  // Two statements are one transaction, at whose end the time-out is the usual one again.
  const answers: unknown = await pool.query(`SET LOCAL statement_timeout = ${within}; ${question}`)
  return (answers as pg.QueryResult<Row>[])[1]!.rows
}
