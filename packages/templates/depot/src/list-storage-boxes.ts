import { type InputOf, type OutputOf, toPage } from '@offshoot/rpc'
import type { depot } from './contract.ts'
import type { DepotContext } from './domain.ts'
import { toStorageBox } from './storage-box.ts'

/** A page of the storage boxes that are not archived, newest first. */
export async function listStorageBoxes(
  ctx: DepotContext,
  { first, after }: InputOf<typeof depot.calls.listStorageBoxes>,
): Promise<OutputOf<typeof depot.calls.listStorageBoxes>> {
  const rows = await ctx.db.storageBox.findMany({
    where: { archived: false, id: { lt: after } },
    orderBy: { id: 'desc' },
    take: first + 1,
  })
  const { items, more } = toPage(rows, first)
  return { items: items.map(toStorageBox), more }
}
