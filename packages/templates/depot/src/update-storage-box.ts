import { type InputOf, notFound } from '@offshoot/rpc'
import { type depot, type StorageBox, StorageBoxUpdated } from './contract.ts'
import type { DepotContext } from './domain.ts'
import { refuseTakenName, toStorageBox } from './storage-box.ts'

/** Changes what the input names and leaves the rest. Emits `StorageBoxUpdated`. */
export async function updateStorageBox(
  ctx: DepotContext,
  { id, ...data }: InputOf<typeof depot.calls.updateStorageBox>,
): Promise<StorageBox> {
  const change = ctx.db.transaction(async (tx) => {
    const [row] = await tx.storageBox.updateManyAndReturn({ where: { id }, data })
    if (!row) throw notFound('StorageBox')
    const updated = toStorageBox(row)
    tx.emit(StorageBoxUpdated, { storageBoxId: updated.id, name: updated.name, note: updated.note })
    return updated
  })
  return change.catch(refuseTakenName(data.name))
}
