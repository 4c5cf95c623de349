import { join } from 'node:path'
import { type DomainContext, defineDomain } from '@offshoot/host'
import { archiveStorageBox } from './archive-storage-box.ts'
import { depot, StorageBoxArchived, StorageBoxCreated, StorageBoxUpdated } from './contract.ts'
import { createStorageBox } from './create-storage-box.ts'
import { PrismaClient } from './generated/prisma/client.ts'
import { getStorageBoxTally } from './get-storage-box-tally.ts'
import { getStorageBoxes } from './get-storage-boxes.ts'
import { graphql } from './graphql.ts'
import { tallyStorageBoxes } from './handlers.ts'
import { listStorageBoxes } from './list-storage-boxes.ts'
import { seed } from './seed.ts'
import { updateStorageBox } from './update-storage-box.ts'

export type DepotContext = DomainContext<PrismaClient>

export const depotDomain = defineDomain({
  contract: depot,
  data: { directory: join(import.meta.dirname, '../prisma'), globalTables: {} },
  prisma: (adapter) => new PrismaClient({ adapter }),
  calls: () => ({
    getStorageBoxes,
    listStorageBoxes,
    createStorageBox,
    updateStorageBox,
    archiveStorageBox,
    getStorageBoxTally,
  }),
  graphql,
  emits: [StorageBoxCreated, StorageBoxUpdated, StorageBoxArchived],
  handlers: () => [tallyStorageBoxes],
  seed,
})
