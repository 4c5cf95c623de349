import type { TestDatabase } from '@offshoot/data/testing'

/**
 * Resolves once no event waits: every one that was emitted is published, delivered and handled by everybody who wants it, and so are those that were
 * emitted thereby. Events that wait for their next attempt are waited for; dead ones, and what waits behind them, are not. Rejects after `ms`, naming what waits.
 */
export async function settled({ database }: { database: TestDatabase }, ms = 15_000): Promise<void> {
  const domains = Object.keys(database.urls).filter((name) => name !== 'events')
  // One statement sees one moment: an event is never between two of these places.
  const sql = domains
    .flatMap((domain) => [
      `SELECT type || ' is not published' AS waits FROM "${domain}".outbox WHERE published_at IS NULL`,
      `SELECT i.type || ' is not handled by ${domain}.' || i.handler FROM "${domain}".inbox i
        JOIN "${domain}".inbox_head h USING (tenant_id, handler, source, aggregate) WHERE i.status = 'pending' AND NOT h.parked`,
    ])
    .concat(`SELECT 'something is not delivered to ' || consumer FROM events.delivery`)
    .join(' UNION ALL ')
  const end = Date.now() + ms
  for (;;) {
    const waiting = await database.admin<{ waits: string }>(`${sql} LIMIT 5`)
    if (waiting.length === 0) return
    if (Date.now() > end)
      throw new Error(`Events still wait after ${ms} ms: ${waiting.map(({ waits }) => waits).join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
