// #region with catalog, orders, billing, notifications, insights
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { emptyDatabase } from '@offshoot/data/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openProduct, type Product, pause } from './product.ts'
import { customersOf, openShop, type Shop, settled } from './shops.ts'

const program = join(import.meta.dirname, '../../../../scripts/move-data.ts')

describe('domains whose data move while orders are placed', () => {
  let product: Product
  let shops: Shop[]
  const homes = new Map<string, Awaited<ReturnType<typeof emptyDatabase>>>()
  beforeAll(async () => {
    product = await openProduct()
    shops = await Promise.all(['north', 'south'].map((slug) => openShop(product, slug)))
    for (const domain of ['orders', 'identity']) homes.set(domain, await emptyDatabase())
  })
  afterAll(async () => {
    await product.stop()
    for (const home of homes.values()) await home.drop().catch(() => {})
  })

  function moveData(...args: string[]): Promise<string> {
    const env = { ...product.env, PATH: process.env.PATH, HOME: process.env.HOME }
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${stdout}${stderr}`))
        else resolve(stdout)
      })
    })
  }

  it('lose and double no event, and nobody is told of it', { timeout: 600_000 }, async () => {
    const customers = customersOf(shops)
    for (const [domain, { adminUrl }] of homes) {
      expect(await moveData(domain, '--to', adminUrl)).toContain(`${domain.toUpperCase()}_ADMIN_DATABASE_URL`)
      await pause(1_000)
    }
    const late = await product.start() // still has the old settings
    await pause(1_000)
    for (const [domain, home] of homes) {
      await moveData(domain, '--back', '--to', home.adminUrl)
      await moveData(domain, '--purge', '--to', home.adminUrl)
    }
    await pause(1_000)
    await customers.stop()
    await settled(product, shops)
    for (const process of [...product.processes, late]) {
      expect(process.running()).toBe(true)
      // Nothing failed, not even for a moment; how long the payment provider takes is another matter.
      const said = process.output().split(/^(?=\[)/m)
      expect(said.filter((entry) => entry && !entry.includes('"NoAnswerError"'))).toEqual([])
    }
  })
})
