import type { OutputOf } from '@offshoot/rpc'
import type { insights } from './contract.ts'
import type { InsightsContext } from './domain.ts'

/** How far behind the projections are. What a dead event holds up counts, until somebody replays or discards it. */
export async function lag({ db }: InsightsContext): Promise<OutputOf<(typeof insights)['calls']['lag']>> {
  const [row] = await db.$queryRaw<{ seconds: number; waiting: number }[]>`
    select coalesce(extract(epoch from clock_timestamp() - min(time)), 0)::float8 as seconds, count(*)::int as waiting
    from insights.inbox where tenant_id = ${db.tenant}::uuid and status in ('pending', 'dead')`
  return { seconds: Math.max(0, row!.seconds), waiting: row!.waiting }
}
