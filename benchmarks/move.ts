/**
 * A domain with a million rows moves to another server, and back, while 100 writes and 200 reads a second go on. Both servers are durable, as in production, and
 * share this machine with whoever writes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { catalogDomain } from '@offshoot/catalog'
import { type Lanes, openLanes } from '@offshoot/data'
import { migrate, roleUrls } from '@offshoot/data/migrate'
import { moveBack, moveData, type Outcome, type Progress } from '@offshoot/data/move'
import { startServer } from '@offshoot/data/server'
import pg from 'pg'
import type { Program } from './bench.ts'

const rows = 1_000_000
const writesPerSecond = 100
const readsPerSecond = 200
const secret = 'of-no-database-but-this-benchmark-s-own'
const tenants = Array.from({ length: 20 }, (_, i) => `00000000-0000-4000-8000-0000000000${10 + i}`)
const productOf = (tenant: string, n: number) => `md5('${tenant}' || ${n})::uuid`

export const run: Program = async () => {
  const directories = await Promise.all(['from', 'to'].map(() => mkdtemp(join(tmpdir(), 'offshoot-bench-'))))
  const servers = [await startServer({ dataDir: directories[0]! }), await startServer({ dataDir: directories[1]! })]
  const [from, to] = servers.map(({ url }) => url) as [string, string]
  const lanes: Lanes<any>[] = []
  try {
    await migrate({ adminUrl: from, domains: [catalogDomain.data], appSecret: secret })
    const ids = await fill(from)
    const { serving: url } = roleUrls(from, 'catalog', secret)
    lanes.push(await openLanes<any>({ url, schema: 'catalog', secret, prisma: catalogDomain.definition.prisma }))
    const traffic = trafficOn(lanes[0]!, ids)
    await sleep(5_000)
    const calm = traffic.longest()
    const there = await timed((report) =>
      moveData({ domain: catalogDomain.data, known: [from], to, appSecret: secret, report }),
    )
    const during = traffic.longest()
    await sleep(3_000)
    traffic.longest()
    const back = await timed((report) =>
      moveBack({ domain: catalogDomain.data, known: [from], to, appSecret: secret, report }),
    )
    const duringBack = traffic.longest()
    await sleep(1_000)
    await traffic.stop()
    const lost = await lostIn(from, traffic.answered)

    const ms = (n: number) => `${Math.round(n).toLocaleString('en')} ms`.padStart(10)
    console.log(
      `${rows.toLocaleString('en')} rows, ${writesPerSecond} writes and ${readsPerSecond} reads a second, ${availableParallelism()} processors.\n`,
    )
    console.log(`${''.padEnd(34)}${'there'.padStart(10)}${'back'.padStart(10)}`)
    for (const [what, one, other] of [
      ['in all', there.ms, back.ms],
      ['writers held back, for a snapshot', there.rehearsal, back.rehearsal],
      ['writers held back, for the switch', there.fence, back.fence],
      ['longest write meanwhile', during.write, duringBack.write],
      ['longest read meanwhile', during.read, duringBack.read],
    ] as const)
      console.log(what.padEnd(34) + ms(one) + ms(other))
    console.log(`${'longest write, longest read before'.padEnd(34)}${ms(calm.write)}${ms(calm.read)}`)
    console.log(`${traffic.count().toLocaleString('en')} calls in all\n`)
    const targets = [
      { what: 'fence, in ms', is: Math.max(there.fence, back.fence, there.rehearsal, back.rehearsal), atMost: 500 },
      { what: 'failed calls', is: traffic.failures.length, atMost: 0 },
      { what: 'lost writes', is: lost, atMost: 0 },
    ]
    for (const { what, is, atMost } of targets)
      console.log(`${is <= atMost ? 'met   ' : 'MISSED'}  ${what}: ${Math.round(is)}, at most ${atMost}`)
    if (traffic.failures.length > 0) console.log(traffic.failures[0])
    return targets.every(({ is, atMost }) => is <= atMost)
  } finally {
    for (const one of lanes) await one.close()
    for (const server of servers) await server.stop()
    for (const directory of directories) await rm(directory, { recursive: true, force: true })
  }
}

/** Returns the ids of some products of each tenant: no two callers write the same. */
async function fill(adminUrl: string): Promise<{ tenant: string; id: string }[]> {
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  await admin.query(
    `INSERT INTO catalog.product (tenant_id, id, sku, name, description, price_minor, currency, stock, search)
     SELECT tenant::uuid, md5(tenant || n)::uuid, 'SKU-' || n, 'Product ' || n, 'What it is for, in one sentence.', n, 'EUR', 0, 'product ' || n
     FROM unnest($1::text[]) tenant, generate_series(1, $2::int) n`,
    [tenants, rows / tenants.length],
  )
  await admin.query('ANALYZE')
  const chosen = tenants.flatMap((tenant) =>
    Array.from({ length: 50 }, (_, n) => `('${tenant}', ${productOf(tenant, n + 1)})`),
  )
  const { rows: ids } = await admin.query(`SELECT * FROM (VALUES ${chosen.join(', ')}) AS v(tenant, id)`)
  await admin.end()
  return ids
}

/** Writes and reads at their times, whether or not earlier ones have been answered: who waits is not waited for. */
function trafficOn(lanes: Lanes<any>, products: readonly { tenant: string; id: string }[]) {
  const answered = new Map<string, number>()
  const failures: unknown[] = []
  let longest = { write: 0, read: 0 }
  let count = 0
  let n = 0
  const under = new Set<Promise<void>>()

  function start(kind: 'write' | 'read', call: () => Promise<unknown>): void {
    const began = performance.now()
    const work = call()
      .then(
        () => void count++,
        (error) => void failures.push(error),
      )
      .finally(() => {
        longest = { ...longest, [kind]: Math.max(longest[kind], performance.now() - began) }
        under.delete(work)
      })
    under.add(work)
  }

  function write(): void {
    const turn = n++
    const { tenant, id } = products[turn % products.length]!
    const key = `${tenant} ${id}`
    const value = Math.floor(turn / products.length) + 1
    const data = { where: { id }, data: { stock: value } }
    start('write', async () => {
      await lanes.use(tenant as never, async (db: any) => {
        if (turn % 2) await db.product.update(data)
        else
          await db.transaction(async (tx: any) => {
            await tx.product.lock(id)
            await tx.product.update(data)
          })
      })
      answered.set(key, value)
    })
  }

  function read(): void {
    const { tenant, id } = products[Math.floor(Math.random() * products.length)]!
    const least = answered.get(`${tenant} ${id}`) ?? 0
    start('read', async () => {
      const product = await lanes.use<any>(tenant as never, (db) => db.product.findUnique({ where: { id } }))
      if (product.stock < least) throw new Error(`${id} has ${product.stock}, and had ${least} before.`)
    })
  }

  const began = performance.now()
  const done = { writes: 0, reads: 0 }
  const clock = setInterval(() => {
    const seconds = (performance.now() - began) / 1_000
    for (; done.writes < seconds * writesPerSecond; done.writes++) write()
    for (; done.reads < seconds * readsPerSecond; done.reads++) read()
  }, 5)
  return {
    answered,
    failures,
    count: () => count,
    /** Since it was last asked for. */
    longest() {
      const last = longest
      longest = { write: 0, read: 0 }
      return last
    },
    async stop() {
      clearInterval(clock)
      await Promise.all(under)
    },
  }
}

async function timed(work: (report: (progress: Progress) => void) => Promise<Outcome>) {
  const began = performance.now()
  let rehearsal = 0
  const { fence = Number.POSITIVE_INFINITY } = await work(({ step, text, passing }) => {
    if (!passing)
      console.log(`  ${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${step.padEnd(8)} ${text}`)
    const held = /^writers waited for (\d+) ms/.exec(text)
    if (held) rehearsal = Number(held[1])
  })
  return { ms: performance.now() - began, fence, rehearsal }
}

/** How many answered writes are not there. */
async function lostIn(adminUrl: string, answered: ReadonlyMap<string, number>): Promise<number> {
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  const { rows } = await admin.query('SELECT tenant_id, id, stock FROM catalog.product WHERE stock > 0')
  await admin.end()
  const stored = new Map(rows.map(({ tenant_id, id, stock }) => [`${tenant_id} ${id}`, stock as number]))
  return [...answered].filter(([key, value]) => (stored.get(key) ?? 0) < value).length
}
