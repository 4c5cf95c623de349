import { setTimeout as pause } from 'node:timers/promises'
import type { Lanes } from '../../src/index.ts'
import type { SystemPool } from '../../src/system.ts'
import { newTenant } from './shop.ts'
import type { PrismaClient } from './src/generated/prisma/client.ts'

export interface Customers {
  /** Keys of the orders whose writing was answered. */
  readonly written: readonly string[]
  readonly failures: readonly unknown[]
  stop(): Promise<void>
}

/** Two tenants' customers, who write all the time, each in a way of their own, and look at once whether it is there. */
export function customersOf(lanes: Lanes<PrismaClient>, system: SystemPool, every = 5): Customers {
  let open = true
  let count = 0
  const written: string[] = []
  const failures: unknown[] = []

  const ways: ((tenant: ReturnType<typeof newTenant>, key: string) => Promise<unknown>)[] = [
    (tenant, key) => lanes.use(tenant, (db) => db.order.create({ data: { key } })),
    (tenant, key) =>
      lanes.use(tenant, (db) =>
        db.transaction(async (tx) => {
          await tx.order.count()
          await tx.order.create({ data: { key, lines: { create: { position: 1, sku: 'x' } } } })
        }),
      ),
    (tenant, key) =>
      lanes.use(tenant, (db) =>
        db.transaction(
          async (tx) => {
            await tx.order.findFirst()
            await tx.order.create({ data: { key } })
          },
          { isolation: 'RepeatableRead' },
        ),
      ),
    (tenant, key) => system('a test').query(insert, [tenant, key]),
    async (tenant, key) => {
      const client = await system('a test').connect()
      await client.query('BEGIN')
      await client.query('SELECT count(*) FROM shop."order"')
      await client.query(insert, [tenant, key])
      await client.query('COMMIT')
      client.release()
    },
  ]

  const attempt = (work: () => Promise<unknown>) => work().catch((error) => failures.push(error))

  async function run(tenant: ReturnType<typeof newTenant>, write: (typeof ways)[number]): Promise<void> {
    while (open) {
      const key = `key ${String(count++).padStart(6, '0')}`
      await attempt(async () => {
        await write(tenant, key)
        written.push(key)
        const seen = await lanes.use(tenant, (db) => db.order.findFirst({ where: { key } }))
        if (!seen) throw new Error(`${key} was written, and is not there.`)
      })
      await attempt(async () => {
        const code = `C${key.slice(-5)}`
        await lanes.global.country.create({ data: { code, name: key } })
        await lanes.global.$transaction(
          async (tx) => void (await tx.country.update({ where: { code }, data: { name: code } })),
        )
      })
      await pause(every)
    }
  }
  const all = Promise.all([newTenant(), newTenant()].flatMap((tenant) => ways.map((way) => run(tenant, way))))

  return {
    written,
    failures,
    async stop() {
      open = false
      await all
    },
  }
}

const insert = 'INSERT INTO shop."order" (tenant_id, id, key) VALUES ($1, gen_random_uuid(), $2)'
