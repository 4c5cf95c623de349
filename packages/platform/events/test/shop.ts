import { fileURLToPath } from 'node:url'
import { type Lanes, type LaneTransaction, openLanes } from '@offshoot/data'
import { TEST_APP_SECRET, type TestDatabase, testDatabase } from '@offshoot/data/testing'
import { identityTokens, localLink, TenantId } from '@offshoot/rpc'
import { traceparentOf } from '@offshoot/telemetry'
import pg from 'pg'
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

export interface StartOptions {
  transport?: Transport
  concurrency?: number
  emits?: boolean
  poll?: number
  longestGap?: number
  leaseMargin?: number
  firstRetry?: number
}

export interface Shop {
  database: TestDatabase
  lanes: Lanes<PrismaClient>
  /** Connections of the system role. */
  system: pg.Pool
  logged: { level: string; details: any; message: string; trace?: string }[]
  /** Starts a process' worth of relays and consumers. */
  start(handlers: readonly Handler[], options?: StartOptions): Promise<EventsRuntime>
  /** One more connection to the transport, which is closed with the shop. */
  transport(): Promise<Transport>
  emit(tenant: TenantId, ...events: { order: string; n: number }[]): Promise<void>
  /** What handlers have noted for an order, in the order in which they did: see `note`. */
  noted(tenant: TenantId, order: string): Promise<string>
  stop(): Promise<void>
}

/** What carries the events of a shop, and the tests that are the same for all of them. */
export interface Carrier {
  name: string
  /** Connects once more. */
  connect(database: TestDatabase, onTrouble: (error: unknown) => void): Transport | Promise<Transport>
  stop(): Promise<void>
}

export const overPostgres: Carrier = {
  name: 'PostgreSQL',
  connect: (database, onTrouble) => postgresTransport({ url: database.urls.events!.serving, onTrouble }),
  async stop() {},
}

/** A domain that emits events and handles its own, on a database of its own. */
export async function openShop(carrier: Carrier = overPostgres): Promise<Shop> {
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
      (details: object, message: string) => void logged.push({ level, details, message, trace: traceparentOf() }),
    ]),
  ) as any
  const system = new pg.Pool({ connectionString: database.urls.shop!.system, max: 2 })
  system.on('error', () => {})
  system.on('connect', (client) => client.on('error', () => {}))
  const lanes = await openLanes({
    url: database.urls.shop!.serving,
    schema: 'shop',
    prisma: (adapter) => new PrismaClient({ adapter }),
    onEmitted() {
      for (const runtime of runtimes) runtime.emitted('shop')
    },
  })
  const onTrouble = (error: unknown) => error && log.error({ err: error }, 'transport')
  const transport = async () => {
    const made = await carrier.connect(database, onTrouble)
    transports.push(made)
    return made
  }

  return {
    database,
    lanes,
    system,
    logged,
    transport,
    async start(handlers, { transport: given, emits = true, ...rest } = {}) {
      const runtime = await startEvents({
        domains: [
          {
            name: 'shop',
            emits: emits ? [Noted, Closed] : [],
            handlers,
            lanes,
            openSystem: () => openSystemPool(database.urls.shop!.system),
            uses: {},
          },
        ],
        transport: given ?? (await transport()),
        secret: TEST_APP_SECRET,
        link: localLink(new Map()),
        tokens: identityTokens(TEST_APP_SECRET),
        log,
        poll: 50,
        firstRetry: 50,
        ...rest,
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
    noted: (tenant, order) =>
      lanes.use(tenant, async (db) => (await db.order.findFirst({ where: { key: order } }))?.note ?? ''),
    async stop() {
      await Promise.all(runtimes.map((runtime) => runtime.stop()))
      await Promise.all(transports.map((made) => made.close()))
      await Promise.all([lanes.close(), system.end()])
      await database.drop()
      await carrier.stop()
    },
  }
}

/** What the host gives: the system role's connections, whose end is the runtime's business. */
export async function openSystemPool(url: string) {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'offshoot shop events',
    max: 5,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 20_000,
    onConnect: (client) => void client.on('error', () => {}),
  })
  pool.on('error', () => {})
  return Object.assign(() => pool, { close: () => pool.end() })
}

/** Adds to what is noted for an order, so that the order and the number of effects can be read from it. */
export async function note(tx: LaneTransaction<unknown>, order: string, what: string | number): Promise<void> {
  await (tx as LaneTransaction<PrismaClient>).$executeRaw`
    insert into shop."order" as o (tenant_id, id, key, note) values (app.tid(), gen_random_uuid(), ${order}, ${`${what} `})
    on conflict (tenant_id, key) do update set note = o.note || excluded.note`
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Resolves once `condition` holds; rejects after `ms`. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`It did not come to be within ${ms} ms: ${condition}`)
    await pause(10)
  }
}
