import { type InputOf, notFound } from '@offshoot/rpc'
import { type depot, type StorageBox, StorageBoxArchived } from './contract.ts'
import type { DepotContext } from './domain.ts'
import { toStorageBox } from './storage-box.ts'

/** Takes a storage box off the list. Emits `StorageBoxArchived`, the first time; idempotent. */
export async function archiveStorageBox(
  ctx: DepotContext,
  { id }: InputOf<typeof depot.calls.archiveStorageBox>,
): Promise<StorageBox> {
  return ctx.db.transaction(async (tx) => {
    const present = await tx.storageBox.lock(id) // two who archive it meet here
    if (!present) throw notFound('StorageBox')
    if (present.archived) return toStorageBox(present)
    const archived = toStorageBox(await tx.storageBox.update({ where: { id }, data: { archived: true } }))
    tx.emit(StorageBoxArchived, { storageBoxId: archived.id })
    return archived
  })
}
