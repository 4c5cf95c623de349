import { openSystem, openSystemPool, type System, type SystemPool } from '@offshoot/data/system'
import type { Domain, Platform } from './domain.ts'

/** A domain's work across tenants. Opened when it is first needed; each use is logged with its reason. */
export interface SystemAccess {
  client(): Promise<System<any>>
  pool(): Promise<SystemPool>
  /** Connections for the domain's events alone. Whoever asks closes them. */
  eventsPool(): Promise<SystemPool>
  close(): Promise<void>
}

export function systemAccess(domain: Domain, url: string, { log, secret }: Platform): SystemAccess {
  const options = {
    url,
    schema: domain.name,
    secret,
    connections: 2,
    audit: (use: object) => log.info({ use }, 'work across tenants'),
  }
  const client = lazily(() => openSystem<any>({ ...options, prisma: domain.definition.prisma }))
  const pool = lazily(() => openSystemPool(options))
  return {
    client: client.get,
    pool: pool.get,
    eventsPool: () => openSystemPool({ ...options, connections: 5, statementTimeout: 20_000 }),
    async close() {
      await Promise.allSettled([client.close(), pool.close()])
    },
  }
}

function lazily<T extends { close(): Promise<void> }>(open: () => Promise<T>) {
  let opened: Promise<T> | undefined
  return {
    get(): Promise<T> {
      opened ??= open().catch((error) => {
        opened = undefined
        throw error
      })
      return opened
    },
    close: async () => (await opened)?.close(),
  }
}
