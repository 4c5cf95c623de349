import { demo, demoId, type Seeding } from '@offshoot/host'
import type { TenantId } from '@offshoot/rpc'
import type { PrismaClient } from './generated/prisma/client.ts'

const names = ['First', 'Second', 'Third']

/** Three storage boxes for each demo tenant, and their tally. Adds what is missing and leaves the rest as people changed it. */
export async function seed({ enter }: Seeding<PrismaClient>): Promise<void> {
  for (const { slug } of demo.tenants) {
    const data = names.map((name, hour) => ({
      id: demoId('storage-box', `${slug}:${name}`, Date.UTC(2026, 0, 5, 8 + hour)),
      name,
    }))
    await enter(demoId('tenant', slug) as TenantId).transaction(async (tx) => {
      const { count } = await tx.storageBox.createMany({ data, skipDuplicates: true })
      if (count > 0)
        await tx.storageBoxTally.createMany({ data: [{ archived: false, total: count }], skipDuplicates: true })
    })
  }
}
