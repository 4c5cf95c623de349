// #region with catalog, orders, billing, notifications, insights
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openProduct, type Product, until } from './product.ts'
import { openShop, type Shop, settled } from './shops.ts'

const commands = join(import.meta.dirname, '../../../../scripts/events.ts')

let product: Product
let shop: Shop
beforeAll(async () => {
  product = await openProduct()
  shop = await openShop(product, 'north')
})
afterAll(() => product.stop())

/** `npm run events -- …`. */
async function events(...args: string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...product.env }
  const { stdout } = await promisify(execFile)(process.execPath, [commands, ...args], { env })
  return stdout
}

const inbox = (domain: string, handler: string) =>
  product.database.admin<{ type: string; status: string; attempts: number }>(
    `SELECT type, status, attempts FROM "${domain}".inbox WHERE handler = $1 AND status IN ('pending', 'dead') ORDER BY revision`,
    [handler],
  )

/** Has failing events tried for the last time now: their pauses add up to minutes. */
const hurry = (domain: string) =>
  product.database.admin(
    `UPDATE "${domain}".inbox_head SET attempts = 9, ready_at = now() WHERE attempts > 1 AND leased_until IS NULL`,
  )

describe('one order that a handler cannot handle', () => {
  const cases = [
    // The payment: what is to come of the order waits for it.
    {
      domain: 'billing',
      table: 'payment',
      column: 'amount_minor',
      handler: 'payments',
      waiting: [],
      status: 'PENDING',
    },
    // The projection: it is behind, the order is not. What comes later of that order waits.
    {
      domain: 'insights',
      table: 'order_overview',
      column: 'total_minor',
      handler: 'projections',
      waiting: ['orders.OrderConfirmed'],
      status: 'CONFIRMED',
    },
  ]
  for (const { domain, table, column, handler, waiting, status } of cases)
    it(`${domain}: is dead after its attempts, stops nothing else, and goes on when it is replayed`, {
      timeout: 300_000,
    }, async () => {
      const dear = 666_600
      await product.database.admin(
        `ALTER TABLE "${domain}"."${table}" ADD CONSTRAINT poison CHECK (${column} <> ${dear}) NOT VALID`,
      )
      const others = [await shop.place({}), await shop.place({})]
      const poisoned = await shop.place({ product: 'dear' })
      others.push(await shop.place({ product: 'scarce' }), await shop.place({}))

      await until(async () => (await inbox(domain, handler)).some(({ attempts }) => attempts > 1))
      await until(async () => {
        await hurry(domain)
        return (await inbox(domain, handler)).some((event) => event.status === 'dead')
      })
      for (const order of others) await until(async () => (await shop.status(order)) === 'CONFIRMED', 5_000)
      await until(async () => (await shop.status(poisoned)) === status, 5_000)
      await until(async () => (await inbox(domain, handler)).length === 1 + waiting.length, 5_000)
      const [dead, ...behind] = await inbox(domain, handler)
      expect(dead).toMatchObject({ status: 'dead', attempts: 10 })
      expect(behind.map(({ type }) => type)).toEqual(waiting)

      const listed = await events('dead', 'list')
      expect(listed).toContain('1 dead letter')
      expect(listed).toContain('poison') // the constraint's name
      await product.database.admin(`ALTER TABLE "${domain}"."${table}" DROP CONSTRAINT poison`)
      await events('dead', 'replay', '--all', '--domain', domain)
      await until(async () => (await shop.status(poisoned)) === 'CONFIRMED')
      await settled(product, [shop])
    })
})
