import type { InputOf, OutputOf } from '@offshoot/rpc'
import type { insights } from './contract.ts'
import type { InsightsContext } from './domain.ts'

type Call = (typeof insights)['calls']['revenueByDay']

/** What the confirmed orders of each day come to, by day and currency. */
export async function revenueByDay({ db }: InsightsContext, { from, to }: InputOf<Call>): Promise<OutputOf<Call>> {
  const rows = await db.revenueDay.findMany({
    where: { day: { gte: new Date(from), lte: new Date(to) }, orders: { gt: 0 } },
    orderBy: [{ day: 'asc' }, { currency: 'asc' }],
  })
  return rows.map(({ day, currency, amountMinor, orders }) => ({
    day: day.toISOString().slice(0, 10),
    amount: { minor: Number(amountMinor), currency },
    orders,
  }))
}
