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

/** `pool` is that of the domain's system role. */
export async function outboxLag(pool: pg.Pool, domain: string): Promise<OutboxLag> {
  const { rows } = await pool.query<Omit<OutboxLag, 'domain'>>(
    `SELECT count(*)::int AS unpublished, extract(epoch FROM clock_timestamp() - min(time))::float AS "oldestSeconds"
     FROM "${domain}".outbox WHERE published_at IS NULL`,
  )
  return { domain, ...rows[0]! }
}

/** The handlers for which something waits or is dead. `pool` is that of the domain's system role. */
export async function handlerLag(pool: pg.Pool, domain: string): Promise<HandlerLag[]> {
  const { rows } = await pool.query<Omit<HandlerLag, 'domain'>>(
    `SELECT handler, count(*) FILTER (WHERE status = 'pending')::int AS waiting, count(*) FILTER (WHERE status = 'dead')::int AS dead,
       extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE status = 'pending'))::float AS "oldestSeconds"
     FROM "${domain}".inbox WHERE status IN ('pending', 'dead') GROUP BY handler ORDER BY handler`,
  )
  return rows.map((row) => ({ domain, ...row }))
}
