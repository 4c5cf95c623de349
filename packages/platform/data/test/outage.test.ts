import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lane, Lanes } from '../src/index.ts'
import { type Server, startServer } from '../src/server/index.ts'
import { freePort } from '../src/testing/index.ts'
import { type DatabaseProxy, startProxy } from './shop/proxy.ts'
import { newTenant, openShop, type Shop, shopLanes } from './shop/shop.ts'
import type { PrismaClient } from './shop/src/generated/prisma/client.ts'

// A server of this file's own: it is stopped and started.
const dataDir = mkdtempSync(join(tmpdir(), 'offshoot-outage-'))
const port = () => Number(new URL(server.url).port)
let server: Server
let shop: Shop
beforeAll(async () => {
  server = await startServer({ dataDir, durable: false, port: await freePort() })
  shop = await openShop({}, server.url)
})
afterAll(async () => {
  await shop.lanes.close()
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

const tenant = newTenant()
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const read = (db: Lane<PrismaClient>) => db.order.count()
const write = (db: Lane<PrismaClient>) =>
  db.transaction(async (tx) => {
    await tx.order.create({ data: { key: crypto.randomUUID() } })
    await pause(20)
    await tx.order.count()
  })

/** Calls all the time, until stopped; tells how each call ended and how long the slowest took. */
function traffic() {
  const outcomes = new Map<string, number>()
  let slowest = 0
  let going = true
  async function caller(work: (db: Lane<PrismaClient>) => Promise<unknown>) {
    while (going) {
      const began = performance.now()
      const outcome = await shop.lanes.use(tenant, work).then(
        () => 'served',
        (error) => error.code ?? String(error),
      )
      slowest = Math.max(slowest, performance.now() - began)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      await pause(5)
    }
  }
  const callers = [read, read, read, read, write, write].map(caller)
  return {
    outcomes,
    async stop() {
      going = false
      await Promise.all(callers)
      return slowest
    },
  }
}

async function servedAgain(within: number): Promise<void> {
  const work = async () => Promise.all([shop.lanes.use(tenant, read), shop.lanes.use(tenant, write)])
  await expect.poll(() => work().then(() => 'served', String), { timeout: within, interval: 50 }).toBe('served')
}

describe('while the database is down', () => {
  it('calls fail with UNAVAILABLE after a bounded time; when it is back, they are served again without a restart', async () => {
    const calls = traffic()
    await pause(200)
    const address = port()
    await server.stop()
    await pause(200)
    const began = performance.now()
    await expect(shop.lanes.use(tenant, read)).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DATABASE' })
    await expect(shop.lanes.use(tenant, write)).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DATABASE' })
    await expect(shop.lanes.global.country.findMany()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(shop.lanes.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(performance.now() - began).toBeLessThan(4_000)
    await expect(shopLanes(shop.database.urls.shop!.serving)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    server = await startServer({ dataDir, durable: false, port: address })
    await servedAgain(3_000)
    await shop.lanes.ping()
    expect(await shop.lanes.global.country.findMany()).toEqual([])
    calls.outcomes.clear()
    await pause(200)
    expect(await calls.stop()).toBeLessThan(3_000)
    expect([...calls.outcomes.keys()]).toEqual(['served'])
  })
})

describe('when connections are cut', () => {
  it('what was on its way fails with UNAVAILABLE, and the next call is served', async () => {
    const calls = traffic()
    const admin = new pg.Client(shop.database.adminUrl)
    await admin.connect()
    for (let i = 0; i < 5; i++) {
      await pause(50)
      await admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
    }
    await admin.end()
    await servedAgain(2_000)
    await calls.stop()
    const { served, ...failed } = Object.fromEntries(calls.outcomes)
    expect(served).toBeGreaterThan(0)
    expect(Object.keys(failed)).toEqual(['UNAVAILABLE'])
  })
})

describe('when connecting takes longer than anybody waits', () => {
  it.each([
    ['transaction', (lanes: Lanes<PrismaClient>) => lanes.use(tenant, write)],
    ['statement of no tenant', ({ global }: Lanes<PrismaClient>) => global.country.count()],
    ['transaction of no tenant', ({ global }: Lanes<PrismaClient>) => global.$transaction((tx) => tx.country.count())],
  ])('the connection is there for the next %s', async (_, ask) => {
    const proxy = await startProxy(new URL(shop.database.urls.shop!.serving))
    const lanes = await shopLanes(proxy.url)
    proxy.delay = 1_500
    const before = proxy.begun
    await expect(ask(lanes)).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DATABASE' })
    await pause(1_000)
    await ask(lanes)
    expect(proxy.begun - before).toBe(1)
    await lanes.close()
    proxy.close()
  })
})

describe('when the network falls silent', () => {
  let proxy: DatabaseProxy
  beforeAll(async () => {
    proxy = await startProxy(new URL(shop.database.urls.shop!.serving))
  })
  afterAll(() => proxy.close())

  it('the connection is given up after a while; an abandoned transaction is, at once', async () => {
    const lanes = await shopLanes(proxy.url, { statementConnections: 1 })
    await lanes.use(tenant, read)
    proxy.silent = true
    const statement = expect(lanes.use(tenant, read)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const lease = lanes.open(tenant)
    const transaction = expect(write(lease.lane)).rejects.toThrow()
    await pause(100)
    lease.close()
    await transaction
    await statement
    proxy.silent = false
    await expect.poll(() => lanes.use(tenant, read).then(() => 'served', String)).toBe('served')
    await lanes.use(tenant, write)
    await lanes.close()
  })
})
