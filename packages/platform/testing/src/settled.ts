import type { TestDatabase } from '@offshoot/data/testing'

/**
 * Resolves once no event waits: every one that was emitted is published, delivered and handled by everybody who wants it, and so are those that were
 * emitted thereby. Events that wait for their next attempt are waited for; dead ones, and what waits behind them, are not. Rejects after `ms`, naming what waits.
 */
export async function settled({ database }: { database: TestDatabase }, ms = 15_000): Promise<void> {
  const questions = questionsFor(database)
  const end = Date.now() + ms
  let before: string | undefined
  for (;;) {
    const answers: { waits: string[]; events: string }[] = []
    for (const question of questions) answers.push(...(await database.admin<(typeof answers)[number]>(question)))
    const waiting = answers.flatMap(({ waits }) => waits)
    const events = waiting.length === 0 ? answers.map((answer) => answer.events).join(' ') : undefined
    // Several databases have no common moment: nothing waits when nothing has come or moved between two looks at all of them.
    if (waiting.length === 0 && (questions.length === 1 || events === before)) return
    before = events
    if (Date.now() > end) throw new Error(`Events still wait after ${ms} ms: ${waiting.slice(0, 5).join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A statement for each database, which sees one moment of it: an event is never between two of its places. */
function questionsFor({ urls }: TestDatabase): string[] {
  const databases = Map.groupBy(Object.keys(urls), (name) => new URL(urls[name]!.serving).pathname)
  return [...databases.values()].map((names) => {
    const waits = names.flatMap((name) =>
      name === 'events'
        ? [`SELECT 'something is not delivered to ' || consumer FROM events.delivery`]
        : [
            `SELECT type || ' is not published' FROM "${name}".outbox WHERE published_at IS NULL`,
            `SELECT i.type || ' is not handled by ${name}.' || i.handler FROM "${name}".inbox i
              JOIN "${name}".inbox_head h USING (tenant_id, handler, source, aggregate) WHERE i.status = 'pending' AND NOT h.parked`,
          ],
    )
    const counts = names.flatMap((name) =>
      name === 'events' ? [] : [`(SELECT count(*) FROM "${name}".outbox) + (SELECT count(*) FROM "${name}".inbox)`],
    )
    return `SELECT ARRAY(${waits.join(' UNION ALL ')} LIMIT 5) AS waits, (${[...counts, 0].join(' + ')})::text AS events`
  })
}
