import { type HandlerContext, handler, on } from '@offshoot/events'
import { StorageBoxArchived, StorageBoxCreated } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'

type Context = HandlerContext<PrismaClient>

/** Keeps the tally. An event counts once: the sums commit together with the note that it was handled. */
export const tallyStorageBoxes = handler('storage-box-tally', [
  on(StorageBoxCreated, ({ tx }: Context) => add(tx, { active: 1, archived: 0 })),
  on(StorageBoxArchived, ({ tx }: Context) => add(tx, { active: -1, archived: 1 })),
])

/** Both rows in one statement, always in the same order: whoever counts at the same time waits, and not in a circle. */
async function add(tx: Context['tx'], { active, archived }: { active: number; archived: number }): Promise<void> {
  await tx.$executeRaw`
    insert into depot.storage_box_tally as t (tenant_id, archived, total)
    values (${tx.tenant}::uuid, false, ${active}::int), (${tx.tenant}::uuid, true, ${archived}::int)
    on conflict (tenant_id, archived) do update set total = t.total + excluded.total`
}
