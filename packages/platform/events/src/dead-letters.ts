import type pg from 'pg'

/** An event that a handler could not handle however often it was tried. Its aggregate waits behind it until it is replayed or discarded. */
export interface DeadLetter {
  /** Names the domain, the tenant, the handler and the event; opaque to whoever reads it. */
  id: string
  /** The domain that could not handle it. */
  domain: string
  handler: string
  tenant: string
  /** The envelope, without the data: see `DeadLetterInFull`. */
  event: {
    id: string
    source: string
    type: string
    version: number
    subject: string
    revision: number
    time: string
    traceparent: string | null
  }
  error: string
  attempts: number
  firstFailedAt: string
  lastFailedAt: string
}

/** With what the event says, which may be personal data. */
export interface DeadLetterInFull extends DeadLetter {
  data: unknown
}

export interface DeadLetterFilter {
  tenant?: string
  handler?: string
}

interface Key {
  domain: string
  tenant: string
  handler: string
  event: string
}

interface Row {
  tenant_id: string
  handler: string
  id: string
  source: string
  aggregate: string
  revision: string
  type: string
  version: number
  time: Date
  traceparent: string | null
  data: unknown
  error: string
  attempts: number
  first_failed_at: Date
  last_failed_at: Date
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const idOf = ({ domain, tenant, handler, event }: Key) =>
  Buffer.from([domain, tenant, event, handler].join(':')).toString('base64url')

/** What an id names; undefined for what is no id. */
function keyOf(id: string): Key | undefined {
  const [domain, tenant, event, ...rest] = Buffer.from(id, 'base64url').toString().split(':')
  const handler = rest.join(':')
  if (!domain || !uuid.test(tenant ?? '') || !uuid.test(event ?? '') || !handler) return undefined
  return { domain, tenant: tenant!, event: event!, handler }
}

/** The domain that a dead letter lies in; undefined for what is no id of one. */
export const domainOfDeadLetter = (id: string): string | undefined => keyOf(id)?.domain

/** The order of all lists, across domains: the newest event first. */
export function newestFirst(a: DeadLetter, b: DeadLetter): number {
  const rank = ({ domain, handler }: DeadLetter) => `${domain} ${handler}`
  return a.event.id === b.event.id ? (rank(a) < rank(b) ? -1 : 1) : a.event.id < b.event.id ? 1 : -1
}

/** Up to `first` dead letters of a domain after the one with the id `after`, which may be another domain's and need not exist any more. `pool` is that of the system role. */
export async function listDeadLetters(
  pool: pg.Pool,
  domain: string,
  { first, after, tenant, handler }: DeadLetterFilter & { first: number; after?: string },
): Promise<DeadLetter[]> {
  const from = after === undefined ? undefined : keyOf(after)
  const { rows } = await pool.query<Row>(
    `SELECT * FROM "${domain}".inbox
     WHERE status = 'dead' AND ($1::uuid IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR handler = $2)
       AND ($3::uuid IS NULL OR id < $3 OR id = $3 AND concat($4::text, ' ', handler) COLLATE "C" > concat($5::text, ' ', $6::text) COLLATE "C")
     ORDER BY id DESC, handler COLLATE "C" LIMIT $7`,
    [tenant ?? null, handler ?? null, from?.event ?? null, domain, from?.domain ?? null, from?.handler ?? null, first],
  )
  return rows.map((row) => letterOf(domain, row))
}

export async function findDeadLetter(pool: pg.Pool, domain: string, id: string): Promise<DeadLetterInFull | null> {
  const key = keyOf(id)
  if (key?.domain !== domain) return null
  const { rows } = await pool.query<Row>(
    `SELECT * FROM "${domain}".inbox WHERE tenant_id = $1 AND handler = $2 AND id = $3 AND status = 'dead'`,
    [key.tenant, key.handler, key.event],
  )
  return rows[0] ? { ...letterOf(domain, rows[0]), data: rows[0].data } : null
}

/** Has the event handled again, with all its attempts; what waits behind it follows. Answers whether there was such a dead letter. */
export const replayDeadLetter = (pool: pg.Pool, domain: string, id: string) => revive(pool, domain, id, false)

/** Counts the event as handled, without anything being done; what waits behind it follows. Answers whether there was such a dead letter. */
export const discardDeadLetter = (pool: pg.Pool, domain: string, id: string) => revive(pool, domain, id, true)

async function revive(pool: pg.Pool, domain: string, id: string, discard: boolean): Promise<boolean> {
  const key = keyOf(id)
  if (key?.domain !== domain) return false
  const { rows } = await pool.query<{ revived: boolean }>(`SELECT "${domain}".revive($1, $2, $3, $4) AS revived`, [
    key.tenant,
    key.handler,
    key.event,
    discard,
  ])
  return rows[0]!.revived
}

function letterOf(domain: string, row: Row): DeadLetter {
  const { tenant_id: tenant, handler, id: event } = row
  return {
    id: idOf({ domain, tenant, handler, event }),
    domain,
    handler,
    tenant,
    event: {
      id: event,
      source: row.source,
      type: row.type,
      version: row.version,
      subject: row.aggregate,
      revision: Number(row.revision),
      time: row.time.toISOString(),
      traceparent: row.traceparent,
    },
    error: row.error,
    attempts: row.attempts,
    firstFailedAt: row.first_failed_at.toISOString(),
    lastFailedAt: row.last_failed_at.toISOString(),
  }
}
