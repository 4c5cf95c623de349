// #region with catalog, orders, billing, notifications, insights
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Server, startServer } from '@offshoot/data/server'
import { freePort } from '@offshoot/data/testing'
import { afterAll, beforeAll, it } from 'vitest'
import type { NatsServer } from '../../../../packages/platform/events/test/nats-server.ts'
import { describeOverEachTransport } from './carriers.ts'
import { openProduct, type Product, pause } from './product.ts'
import { customersOf, openShop, type Shop, settled } from './shops.ts'

describeOverEachTransport('the database, under load', (start) => {
  // A server of one's own: it is stopped and started.
  const dataDir = mkdtempSync(join(tmpdir(), 'offshoot-faults-'))
  let server: Server
  let nats: NatsServer | undefined
  let product: Product
  let shops: Shop[]
  beforeAll(async () => {
    server = await startServer({ dataDir, durable: false, port: await freePort() })
    nats = await start()
    const { TEST_DATABASE_URL } = process.env
    process.env.TEST_DATABASE_URL = server.url
    product = await openProduct({ nats }).finally(() => {
      process.env.TEST_DATABASE_URL = TEST_DATABASE_URL
    })
    shops = await Promise.all(['north', 'south'].map((slug) => openShop(product, slug)))
  })
  afterAll(async () => {
    await product.stop()
    await nats?.stop()
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  it('may be restarted: everything goes on by itself', { timeout: 600_000 }, async () => {
    const customers = customersOf(shops)
    await pause(2_000)
    const port = Number(new URL(server.url).port)
    await server.stop()
    await pause(3_000)
    server = await startServer({ dataDir, durable: false, port })
    await pause(2_000)
    await customers.stop()
    await settled(product, shops)
  })
})
