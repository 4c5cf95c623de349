import { defineEvent } from '@offshoot/events'
import { command, defineContract, defineEntity, id, page, pageInput, query, Timestamp, text } from '@offshoot/rpc'
import { z } from 'zod'

export const StorageBoxId = id('StorageBoxId')
export type StorageBoxId = z.infer<typeof StorageBoxId>

const StorageBoxName = text(200)
const StorageBoxNote = text(5_000)

export const StorageBox = z.object({
  id: StorageBoxId,
  name: z.string(),
  note: z.string().nullable(),
  archived: z.boolean(),
  createdAt: Timestamp,
})
export type StorageBox = z.infer<typeof StorageBox>

/** How many storage boxes there are. */
export const StorageBoxTally = z.object({ active: z.int(), archived: z.int() })
export type StorageBoxTally = z.infer<typeof StorageBoxTally>

const everyone = ['owner', 'admin', 'member'] as const
const managers = ['owner', 'admin'] as const

export const depot = defineContract('depot', {
  actions: { 'storage-box:read': everyone, 'storage-box:write': managers },
  calls: {
    getStorageBoxes: query({
      action: 'storage-box:read',
      input: z.object({ ids: z.array(StorageBoxId).max(1_000) }),
      output: z.array(StorageBox.nullable()),
    }),
    /** Those that are not archived, newest first. `after` is a position in time and is not looked up: any id will do. */
    listStorageBoxes: query({
      action: 'storage-box:read',
      input: pageInput({}),
      output: page(StorageBox),
    }),
    createStorageBox: command({
      action: 'storage-box:write',
      input: z.object({ name: StorageBoxName, note: StorageBoxNote.optional() }),
      output: StorageBox,
      reasons: { NAME_TAKEN: 'CONFLICT' },
    }),
    updateStorageBox: command({
      action: 'storage-box:write',
      input: z.object({
        id: StorageBoxId,
        name: StorageBoxName.optional(),
        note: StorageBoxNote.nullable().optional(),
      }),
      output: StorageBox,
      reasons: { STORAGE_BOX_NOT_FOUND: 'NOT_FOUND', NAME_TAKEN: 'CONFLICT' },
    }),
    /** Takes a storage box off the list; it stays readable by id. Idempotent. */
    archiveStorageBox: command({
      action: 'storage-box:write',
      input: z.object({ id: StorageBoxId }),
      output: StorageBox,
      reasons: { STORAGE_BOX_NOT_FOUND: 'NOT_FOUND' },
    }),
    /** Counted as events arrive, so shortly after the fact. */
    getStorageBoxTally: query({
      action: 'storage-box:read',
      input: z.object({}),
      output: StorageBoxTally,
    }),
  },
})

/** `StorageBox` in the public schema. */
export const StorageBoxEntity = defineEntity('StorageBox', depot, 'getStorageBoxes')

const aboutStorageBox = {
  version: 1,
  aggregate: 'storage-box',
  key: ({ storageBoxId }: { storageBoxId: string }) => storageBoxId,
}

/** There is a new storage box. */
export const StorageBoxCreated = defineEvent('depot.StorageBoxCreated', {
  ...aboutStorageBox,
  data: z.object({ storageBoxId: StorageBoxId, name: z.string(), note: z.string().nullable() }),
})

/** Somebody changed a storage box; this is what it is now. */
export const StorageBoxUpdated = defineEvent('depot.StorageBoxUpdated', {
  ...aboutStorageBox,
  data: z.object({ storageBoxId: StorageBoxId, name: z.string(), note: z.string().nullable() }),
})

/** A storage box is on no list any more. Told once. */
export const StorageBoxArchived = defineEvent('depot.StorageBoxArchived', {
  ...aboutStorageBox,
  data: z.object({ storageBoxId: StorageBoxId }),
})
