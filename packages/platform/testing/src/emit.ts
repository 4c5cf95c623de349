import { randomUUID } from 'node:crypto'
import type { TestDatabase } from '@offshoot/data/testing'
import type { EventType } from '@offshoot/events'
import { tenantId } from './app.ts'

/** Emits an event as the domain that declares it would, for tests of whoever handles it. That domain must be among those of the app. */
export async function emit<Data>(
  { database }: { database: TestDatabase },
  tenant: string,
  event: EventType<Data>,
  data: NoInfer<Data>,
): Promise<void> {
  const emission = { n: 0, id: randomUUID(), ...event.prepare(data) }
  await database.admin(`SELECT "${event.source}".emit($1::jsonb) FROM app.enter($2::uuid)`, [
    JSON.stringify([emission]),
    tenantId(tenant),
  ])
}
