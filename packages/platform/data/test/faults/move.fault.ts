import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lanes } from '../../src/index.ts'
import { migrate, roleUrls } from '../../src/migrate/index.ts'
import { purgeMove } from '../../src/move/index.ts'
import { openSystemPool, type SystemPool } from '../../src/system.ts'
import { emptyDatabase, TEST_APP_SECRET as secret, type TestDatabase } from '../../src/testing/index.ts'
import { type Customers, customersOf } from '../shop/customers.ts'
import { shop, shopLanes } from '../shop/shop.ts'
import type { PrismaClient } from '../shop/src/generated/prisma/client.ts'
import type { Task } from './mover.ts'

type Home = Pick<TestDatabase, 'adminUrl' | 'admin' | 'drop'>

const program = join(import.meta.dirname, 'mover.ts')

/** Resolves to what the process said last; it may have been killed. */
function run(task: Task): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, JSON.stringify(task)], (error, stdout, stderr) => {
      if (error && error.signal !== 'SIGKILL') reject(new Error(`${stdout}\n${stderr}`))
      else resolve(stdout)
    })
  })
}

describe('a process that moves a domain, killed at each of its steps', () => {
  let from: Home
  let to: Home
  let lanes: Lanes<PrismaClient>
  let system: SystemPool
  let customers: Customers
  beforeAll(async () => {
    ;[from, to] = await Promise.all([emptyDatabase(), emptyDatabase()])
    await migrate({ adminUrl: from.adminUrl, domains: [shop], appSecret: secret })
    const urls = roleUrls(from.adminUrl, 'shop', secret)
    lanes = await shopLanes(urls.serving, { secret })
    system = await openSystemPool({ url: urls.system, schema: 'shop', secret, audit() {} })
    customers = customersOf(lanes, system, 60)
  })
  afterAll(async () => {
    await customers.stop()
    await lanes.close()
    await system.close()
    await purgeMove({ domain: shop, known: [from.adminUrl], to: to.adminUrl, appSecret: secret }).catch(() => {})
    await Promise.all([from.drop(), to.drop()])
  })
  const task = (what: Task['what'], steps: number): Task => ({ what, from: from.adminUrl, to: to.adminUrl, steps })

  it('goes on where it was; nobody fails and nothing is lost', { timeout: 300_000 }, async () => {
    const ends: string[] = []
    let alive = { move: false, back: false, purge: false }
    for (let steps = 0; !(alive.move && alive.back && alive.purge); steps++) {
      for (const what of ['move', 'back', 'purge'] as const) {
        const end = await run(task(what, steps))
        ends.push(`${what} ${end}`)
        await pause(Math.random() * 100) // people go on writing wherever it stopped
        if (end === 'done') alive = { ...alive, [what]: true }
        else expect(await run(task(what, 1_000))).toBe('done')
      }
    }
    await customers.stop()
    expect(customers.failures).toEqual([])
    const rows = await from.admin<{ key: string }>('SELECT key FROM shop."order" ORDER BY key')
    expect(rows.map(({ key }) => key)).toEqual(customers.written.toSorted())
  })
})
