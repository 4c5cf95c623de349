/**
 * What events cost and how fast they are: one domain that emits and handles, on a PostgreSQL of its own, with the transport on the same server and, where
 * `nats-server` is installed, with NATS. And how soon the product has confirmed an order, over four domains and their events.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { catalogDomain } from '@offshoot/catalog'
import { type Lanes, openLanes } from '@offshoot/data'
import { migrate, roleUrls } from '@offshoot/data/migrate'
import { startServer } from '@offshoot/data/server'
import { openSystemPool } from '@offshoot/data/system'
import { batchHandler, defineEvent, type Handler, handler, on } from '@offshoot/events'
import { natsTransport, postgresTransport, startEvents, type Transport } from '@offshoot/events/runtime'
import { identityTokens, localLink, TenantId } from '@offshoot/rpc'
import pg from 'pg'
import { z } from 'zod'
import { timesToConfirm } from './saga.ts'

const secret = 'of-no-database-but-this-benchmark-s-own'
const tenants = Array.from({ length: 8 }, (_, i) => TenantId.parse(`00000000-0000-4000-8000-0000000000${10 + i}`))

const Measured = defineEvent('catalog.Measured', {
  version: 1,
  aggregate: 'thing',
  key: ({ thing }) => thing,
  data: z.object({ thing: z.string(), n: z.int() }),
})

interface Bench {
  lanes: Lanes<any>
  /** The administrator's connection. */
  admin: pg.Client
  transports: { name: string; transport: Transport }[]
  start(handlers: Handler[], transport: Transport): Promise<{ stop(): Promise<void> }>
}

interface Target {
  what: string
  is: number
  atLeast?: number
  atMost?: number
}

export const run = async (): Promise<boolean> => {
  const directory = await mkdtemp(join(tmpdir(), 'offshoot-bench-'))
  const cleanUp: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })]
  try {
    const bench = await open(directory, cleanUp)
    console.log(`${availableParallelism()} processors; PostgreSQL, the transport and this process share them.\n`)
    const targets = [...(await emitting(bench))]
    for (const { name, transport } of bench.transports) {
      targets.push(...(await latency(bench, name, transport)))
      targets.push(...(await throughput(bench, name, transport)))
    }
    // #region with orders, billing
    targets.push(await confirming())
    // #endregion
    console.log()
    const met = ({ is, atLeast = 0, atMost = Number.POSITIVE_INFINITY }: Target) => is >= atLeast && is <= atMost
    for (const target of targets) {
      const { what, is, atLeast, atMost } = target
      const limit = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast.toLocaleString('en')}`
      const figure = is < 100 ? is.toFixed(2) : Math.round(is).toLocaleString('en')
      console.log(`${met(target) ? 'met   ' : 'MISSED'}  ${what}: ${figure}, ${limit}`)
    }
    return targets.every(met)
  } finally {
    for (const close of cleanUp.reverse()) await close()
  }
}

async function open(directory: string, cleanUp: (() => Promise<unknown>)[]): Promise<Bench> {
  const server = await startServer({ dataDir: join(directory, 'postgres'), durable: true })
  cleanUp.push(() => server.stop())
  await migrate({ adminUrl: server.url, domains: [catalogDomain.data], appSecret: secret })
  const admin = new pg.Client(server.url)
  await admin.connect()
  cleanUp.push(() => admin.end())
  const urls = roleUrls(server.url, 'catalog', secret)
  let emitted = () => {}
  const lanes = await openLanes<any>({
    url: urls.serving,
    schema: 'catalog',
    prisma: catalogDomain.definition.prisma,
    onEmitted: () => emitted(),
  })
  cleanUp.push(() => lanes.close())
  const onTrouble = (error: unknown) => error && console.error(error)
  const transports = [
    {
      name: 'PostgreSQL',
      transport: postgresTransport({ url: roleUrls(server.url, 'events', secret).serving, onTrouble }),
    },
  ]
  const nats = await startNats(join(directory, 'nats'), cleanUp)
  if (nats) transports.push({ name: 'NATS', transport: await natsTransport({ url: nats, onTrouble }) })
  else console.log('nats-server is not installed: only PostgreSQL is measured.')
  for (const { transport } of transports) cleanUp.push(() => transport.close())

  return {
    lanes,
    admin,
    transports,
    async start(handlers, transport) {
      const runtime = await startEvents({
        domains: [
          {
            name: 'catalog',
            emits: [Measured],
            handlers,
            lanes,
            uses: {},
            openSystem: () => openSystemPool({ url: urls.system, schema: 'catalog', connections: 5, audit() {} }),
          },
        ],
        transport,
        secret,
        link: localLink(new Map()),
        tokens: identityTokens(secret),
        log: {
          info: () => {},
          warn: (details, message) => console.error(message, details),
          error: (details, message) => console.error(message, details),
        },
      })
      emitted = () => runtime.emitted('catalog')
      return {
        async stop() {
          emitted = () => {}
          await runtime.stop()
        },
      }
    },
  }
}

async function startNats(directory: string, cleanUp: (() => Promise<unknown>)[]): Promise<string | undefined> {
  if (spawnSync('nats-server', ['--version']).error) return undefined
  const port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
  const child: ChildProcess = spawn('nats-server', ['-js', '-a', '127.0.0.1', '-p', `${port}`, '-sd', directory], {
    stdio: 'ignore',
  })
  cleanUp.push(
    () =>
      new Promise((resolve) => {
        child.once('exit', resolve)
        child.kill()
      }),
  )
  await sleep(500)
  return `nats://127.0.0.1:${port}`
}

/** A transaction of two writes, with an event and without, in turns. */
async function emitting({ lanes }: Bench): Promise<Target[]> {
  const transaction = (tenant: TenantId, withEvent: boolean) =>
    lanes.use(tenant, (db) =>
      db.transaction(async (tx: any) => {
        const thing = randomUUID()
        await tx.product.create({ data: productOf(thing) })
        await tx.product.update({ where: { id: thing }, data: { stock: 1 } })
        if (withEvent) tx.emit(Measured, { thing, n: 1 })
      }),
    )
  // Short turns, and many: what else the machine does meanwhile meets both alike.
  async function timeOf(withEvent: boolean, transactions = 20): Promise<number> {
    const began = performance.now()
    for (let i = 0; i < transactions; i++) await transaction(tenants[i % tenants.length]!, withEvent)
    return (performance.now() - began) / transactions
  }
  for (const withEvent of [true, false]) await timeOf(withEvent, 200)
  const ratios: number[] = []
  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < 80; round++) {
    const first = round % 2 === 0
    const one = await timeOf(first)
    const other = await timeOf(!first)
    const [withEvent, without] = first ? [one, other] : [other, one]
    times[0].push(withEvent)
    times[1].push(without)
    ratios.push(withEvent / without)
  }
  console.log(
    `a transaction of two writes: ${median(times[1]).toFixed(2)} ms, with an event ${median(times[0]).toFixed(2)} ms`,
  )
  return [{ what: 'transaction with an event ÷ without', is: median(ratios), atMost: 1.25 }]
}

async function latency(bench: Bench, name: string, transport: Transport): Promise<Target[]> {
  await reset(bench)
  let arrived = (_: number) => {}
  const runtime = await bench.start(
    [handler('latency', [on(Measured, async () => arrived(performance.now()))])],
    transport,
  )
  const times: number[] = []
  for (let i = 0; i < 220; i++) {
    const handled = new Promise<number>((resolve) => {
      arrived = resolve
    })
    await bench.lanes.use(tenants[i % tenants.length]!, (db) =>
      db.transaction(async (tx: any) => tx.emit(Measured, { thing: randomUUID(), n: 1 })),
    )
    const committed = performance.now()
    const time = (await handled) - committed
    if (i >= 20) times.push(time)
    await sleep(5 + Math.random() * 20)
  }
  await runtime.stop()
  times.sort((a, b) => a - b)
  const [middle, late] = [median(times), times[Math.floor(times.length * 0.99)]!]
  console.log(`${name}: commit → handler, idle: median ${middle.toFixed(1)} ms, p99 ${late.toFixed(1)} ms`)
  return [
    { what: `${name}: commit → handler, median in ms`, is: middle, atMost: name === 'NATS' ? 10 : 15 },
    { what: `${name}: commit → handler, p99 in ms`, is: late, atMost: 100 },
  ]
}

// #region with orders, billing
async function confirming(): Promise<Target> {
  const times = (await timesToConfirm()).sort((a, b) => a - b)
  const is = median(times)
  console.log(
    `placeOrder → CONFIRMED, through the gateway: median ${is.toFixed(0)} ms, slowest ${times.at(-1)!.toFixed(0)} ms`,
  )
  return { what: 'placeOrder → CONFIRMED, median in ms', is, atMost: 250 }
}
// #endregion

async function throughput(bench: Bench, name: string, transport: Transport): Promise<Target[]> {
  const single = (done: () => void) =>
    handler('single', [
      on(Measured, async ({ tx }: any, { data }) => {
        await tx.product.create({ data: productOf(data.thing) })
        done()
      }),
    ])
  const batch = (done: (count: number) => void) =>
    batchHandler<{ thing: string; n: number }, any>('batch', [Measured], async ({ tx }, events) => {
      await tx.product.createMany({ data: events.map(({ data }) => productOf(data.thing)) })
      done(events.length)
    })
  const empty = (done: (count: number) => void) =>
    batchHandler<{ thing: string; n: number }, any>('empty', [Measured], async (_, events) => done(events.length))
  const perSecond = async (events: number, make: (done: (count?: number) => void) => Handler) => {
    const figures: number[] = []
    for (let round = 0; round < 3; round++) figures.push(await drain(bench, transport, events, make))
    return median(figures)
  }
  const one = await perSecond(2_500, single)
  const many = await perSecond(8_000, batch)
  const none = await perSecond(12_000, empty)
  console.log(
    `${name}: outbox → transport → inbox, events/s: ${[one, many, none].map((figure) => Math.round(figure).toLocaleString('en')).join(', ')} (a write each, a write for each batch, no write)`,
  )
  return [
    { what: `${name}: events/s with a transaction and a write each`, is: one, atLeast: 800 },
    { what: `${name}: events/s with a batch handler`, is: many, atLeast: 3_000 },
    { what: `${name}: events/s with an empty batch handler`, is: none, atLeast: 5_000 },
  ]
}

/** Events per second from a full outbox through the transport and the inbox to the handler, until the last one is settled. */
async function drain(
  bench: Bench,
  transport: Transport,
  events: number,
  make: (done: (count?: number) => void) => Handler,
): Promise<number> {
  await reset(bench)
  await bench.admin.query(
    `INSERT INTO catalog.outbox (tenant_id, id, aggregate, revision, last_by_type, type, version, data)
     SELECT ($1::uuid[])[1 + n % ${tenants.length}], id, 'thing/' || id, 1, '{}', 'catalog.Measured', 1, jsonb_build_object('thing', id, 'n', 1)
     FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, $2::int) n) e`,
    [tenants, events],
  )
  await bench.admin.query('ANALYZE catalog.outbox')
  let handled = 0
  const handlerOf = make((count = 1) => {
    handled += count
  })
  const began = performance.now()
  const runtime = await bench.start([handlerOf], transport)
  while (handled < events) await sleep(5)
  await runtime.stop()
  return (events * 1_000) / (performance.now() - began)
}

async function reset({ admin }: Bench): Promise<void> {
  await admin.query(
    'TRUNCATE catalog.outbox, catalog.outbox_head, catalog.inbox, catalog.inbox_head, catalog.product, events.delivery CASCADE',
  )
  await nextTurn()
}

const productOf = (id: string) => ({
  id,
  sku: id,
  name: 'Thing',
  priceMinor: 1n,
  currency: 'EUR',
  stock: 0,
  search: id,
})

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

if (import.meta.main) process.exitCode = (await run()) ? 0 : 1
