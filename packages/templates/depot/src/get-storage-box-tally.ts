import type { StorageBoxTally } from './contract.ts'
import type { DepotContext } from './domain.ts'

/** How many storage boxes there are, as far as events have been counted: two rows, however many there are. */
export async function getStorageBoxTally(ctx: DepotContext): Promise<StorageBoxTally> {
  const rows = await ctx.db.storageBoxTally.findMany()
  const totalOf = (archived: boolean) => rows.find((row) => row.archived === archived)?.total ?? 0
  return { active: totalOf(false), archived: totalOf(true) }
}
