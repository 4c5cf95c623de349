import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Server, startServer } from '@offshoot/data/server'
import { freePort } from '@offshoot/data/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { handler, on } from '../src/index.ts'
import { acme, Noted, note, openShop, pause, type Shop, until } from './shop.ts'

// A server of this file's own: it is stopped and started.
const dataDir = mkdtempSync(join(tmpdir(), 'offshoot-outage-'))
const { TEST_DATABASE_URL } = process.env
let server: Server
let shop: Shop
beforeAll(async () => {
  server = await startServer({ dataDir, durable: false, port: await freePort() })
  process.env.TEST_DATABASE_URL = server.url
  shop = await openShop()
  process.env.TEST_DATABASE_URL = TEST_DATABASE_URL
})
afterAll(async () => {
  await shop.stop()
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

describe('a restart of the database', () => {
  it('is survived by all that runs: events go on by themselves, each with its effect once', async () => {
    const slow = on(Noted, async ({ tx }, { data }) => {
      await note(tx, data.order, data.n)
      await pause(20)
    })
    const runtime = await shop.start([handler('notes', [slow])])
    const orders = Array.from({ length: 5 }, () => randomUUID())
    for (const n of [1, 2, 3, 4]) await shop.emit(acme, ...orders.map((order) => ({ order, n })))
    await until(async () => (await shop.noted(acme, orders[0]!)).startsWith('1 ')) // in the middle of it

    const port = Number(new URL(server.url).port)
    await server.stop()
    await pause(300)
    server = await startServer({ dataDir, durable: false, port })

    await until(() =>
      shop.emit(acme, { order: orders[0]!, n: 5 }).then(
        () => true,
        () => false,
      ),
    )
    for (const order of orders) {
      const notes = order === orders[0] ? '1 2 3 4 5 ' : '1 2 3 4 '
      await until(async () => (await shop.noted(acme, order).catch(() => '')) === notes, 15_000)
    }
    await pause(200)
    expect(await shop.noted(acme, orders[1]!)).toBe('1 2 3 4 ')
    await runtime.stop()
  })
})
