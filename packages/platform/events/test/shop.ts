import { fileURLToPath } from 'node:url'
import { type Lanes, openLanes } from '@offshoot/data'
import { TEST_APP_SECRET, type TestDatabase, testDatabase } from '@offshoot/data/testing'
import { identityTokens, localLink, TenantId } from '@offshoot/rpc'
import { z } from 'zod'
import { PrismaClient } from '../../data/test/shop/src/generated/prisma/client.ts'
import { defineEvent, type Handler } from '../src/index.ts'
import { type EventsRuntime, postgresTransport, startEvents, type Transport } from '../src/runtime.ts'

export const acme = TenantId.parse('00000000-0000-4000-8000-00000000000a')
export const globex = TenantId.parse('00000000-0000-4000-8000-00000000000b')

/** Something happened to an order; `n` counts within it. */
export const Noted = defineEvent('shop.Noted', {
  version: 1,
  aggregate: 'order',
  key: ({ order }) => order,
  data: z.object({ order: z.string(), n: z.int() }),
})
export const Closed = defineEvent('shop.Closed', {
  version: 1,
  aggregate: 'order',
  key: ({ order }) => order,
  data: z.object({ order: z.string() }),
})

export interface Shop {
  database: TestDatabase
  lanes: Lanes<PrismaClient>
  logged: { level: string; details: any; message: string }[]
  /** Starts a process' worth of relays and consumers. */
  start(
    handlers: readonly Handler[],
    options?: { transport?: Transport; concurrency?: number; emits?: boolean },
  ): Promise<EventsRuntime>
  transport(): Transport
  emit(tenant: TenantId, ...events: { order: string; n: number }[]): Promise<void>
  stop(): Promise<void>
}

/** A domain that emits events and handles its own, on a database of its own. */
export async function openShop(): Promise<Shop> {
  const directory = fileURLToPath(new URL('../../data/test/shop/prisma', import.meta.url))
  const database = await testDatabase([
    { name: 'shop', directory, globalTables: { country: 'for tests of global tables' } },
  ])
  const runtimes: EventsRuntime[] = []
  const transports: Transport[] = []
  const logged: Shop['logged'] = []
  const log = Object.fromEntries(
    ['info', 'warn', 'error'].map((level) => [
      level,
      (details: object, message: string) => void logged.push({ level, details, message }),
    ]),
  ) as any
  const lanes = await openLanes({
    url: database.urls.shop!.serving,
    schema: 'shop',
    prisma: (adapter) => new PrismaClient({ adapter }),
    onEmitted: () => runtimes.forEach((runtime) => runtime.emitted('shop')),
  })
  const transport = () => {
    const made = postgresTransport({
      url: database.urls.events!.serving,
      onTrouble: (error) => error && log.error({ err: error }, 'transport'),
    })
    transports.push(made)
    return made
  }

  return {
    database,
    lanes,
    logged,
    transport,
    async start(handlers, { transport: given, concurrency, emits = true } = {}) {
      const runtime = await startEvents({
        domains: [
          {
            name: 'shop',
            emits: emits ? [Noted, Closed] : [],
            handlers,
            lanes,
            systemUrl: database.urls.shop!.system,
            uses: {},
          },
        ],
        transport: given ?? transport(),
        secret: TEST_APP_SECRET,
        link: localLink(new Map()),
        tokens: identityTokens(TEST_APP_SECRET),
        log,
        concurrency,
      })
      runtimes.push(runtime)
      return runtime
    },
    emit: (tenant, ...events) =>
      lanes.use(tenant, (db) =>
        db.transaction(async (tx) => {
          for (const event of events) tx.emit(Noted, event)
        }),
      ),
    async stop() {
      await Promise.all(runtimes.map((runtime) => runtime.stop()))
      await Promise.all(transports.map((made) => made.close()))
      await lanes.close()
      await database.drop()
    },
  }
}

/** Resolves once `condition` holds; rejects after `ms`. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`It did not come to be within ${ms} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
