import type { InputOf } from '@offshoot/rpc'
import type { depot, StorageBox } from './contract.ts'
import type { DepotContext } from './domain.ts'
import { toStorageBox } from './storage-box.ts'

/** The storage boxes with these ids, archived ones too, in the order of the ids; null for what this tenant does not have. */
export async function getStorageBoxes(
  ctx: DepotContext,
  { ids }: InputOf<typeof depot.calls.getStorageBoxes>,
): Promise<(StorageBox | null)[]> {
  const rows = await ctx.db.storageBox.findMany({ where: { id: { in: [...new Set(ids)] } } })
  const found = new Map(rows.map((row) => [row.id, toStorageBox(row)]))
  return ids.map((id) => found.get(id) ?? null)
}
