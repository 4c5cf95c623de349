import { type InputOf, type OutputOf, toPage } from '@offshoot/rpc'
import type { insights, OrderOverview } from './contract.ts'
import type { InsightsContext } from './domain.ts'
import type { OrderFacts } from './facts.ts'

type Call = (typeof insights)['calls']['orderOverview']

/** A page of the tenant's orders, newest first; of those with `status` when it is given. */
export async function orderOverview(
  { db }: InsightsContext,
  { first, after, status }: InputOf<Call>,
): Promise<OutputOf<Call>> {
  const rows = await db.orderOverview.findMany({
    where: { status, id: { lt: after } },
    orderBy: { id: 'desc' },
    take: first + 1,
  })
  const { items, more } = toPage(rows, first)
  return {
    more,
    items: items.map(
      ({ id, status, customer, lines, totalMinor, currency, cancelReason, placedAt, updatedAt }) =>
        ({
          id,
          status,
          customer,
          productNames: (lines as OrderFacts['lines']).map(({ name }) => name),
          total: { minor: Number(totalMinor), currency },
          cancelReason,
          placedAt: placedAt?.toISOString() ?? null,
          updatedAt: updatedAt.toISOString(),
        }) as OrderOverview,
    ),
  }
}
