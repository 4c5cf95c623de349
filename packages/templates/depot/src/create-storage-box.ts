import type { InputOf } from '@offshoot/rpc'
import { type depot, type StorageBox, StorageBoxCreated } from './contract.ts'
import type { DepotContext } from './domain.ts'
import { refuseTakenName, toStorageBox } from './storage-box.ts'

/** Adds a storage box. Emits `StorageBoxCreated`. */
export async function createStorageBox(
  ctx: DepotContext,
  input: InputOf<typeof depot.calls.createStorageBox>,
): Promise<StorageBox> {
  const creation = ctx.db.transaction(async (tx) => {
    const created = toStorageBox(await tx.storageBox.create({ data: input }))
    tx.emit(StorageBoxCreated, { storageBoxId: created.id, name: created.name, note: created.note })
    return created
  })
  return creation.catch(refuseTakenName(input.name))
}
