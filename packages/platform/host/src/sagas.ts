import { observe } from '@offshoot/telemetry'
import type { Domain } from './domain.ts'
import type { SystemAccess } from './system-access.ts'

/** Tells how many sagas of a domain are open, and how old the oldest is. Each process that hosts the domain tells the same. The answer stops it. */
export function observeSagas({ name: domain, definition }: Domain, system: SystemAccess): () => void {
  const sagas = Object.entries(definition.sagas ?? {})
  if (sagas.length === 0) return () => {}
  // Put on record once: it is the same question each time that somebody collects.
  let client: Promise<any> | undefined
  const reach = () =>
    system
      .client()
      .then((open) => open('how many sagas are open and how old they are is told to whoever collects metrics'))
  return observe(['offshoot.saga.open', 'offshoot.saga.age'], async (report) => {
    client ??= reach().catch((error) => {
      client = undefined
      throw error
    })
    for (const [saga, find] of sagas) {
      const { open, since } = await find(await client)
      const labels = { domain, 'offshoot.saga': saga }
      report('offshoot.saga.open', open, labels)
      report('offshoot.saga.age', since === null ? 0 : Math.max(0, Date.now() - since.getTime()) / 1_000, labels)
    }
  })
}
