import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { TEST_APP_SECRET } from '@offshoot/data/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeOverEachTransport } from './carriers.ts'
import type { NatsServer } from './nats-server.ts'
import { acme, openShop, type Shop, until } from './shop.ts'
import type { WorkerTask } from './worker.ts'

describeOverEachTransport('a process that handles events', (start) => {
  let shop: Shop
  let events: string
  const workers = new Set<ChildProcess>()
  beforeAll(async () => {
    const carrier = await start()
    shop = await openShop(carrier)
    events = (carrier as NatsServer).url ?? shop.database.urls.events!.serving
  })
  afterAll(async () => {
    for (const worker of workers) worker.kill('SIGKILL')
    await shop.stop()
  })

  /** Resolves when it has ended, to its exit code or the signal that ended it. */
  function work(task: Pick<WorkerTask, 'handler' | 'poison' | 'stopAfter'>): Promise<number | string> {
    const { serving, system } = shop.database.urls.shop!
    const program = fileURLToPath(new URL('worker.ts', import.meta.url))
    const all: WorkerTask = { serving, system, events, secret: TEST_APP_SECRET, ...task }
    const worker = spawn(process.execPath, [program, JSON.stringify(all)], { stdio: ['ignore', 'ignore', 'inherit'] })
    workers.add(worker)
    return new Promise((resolve) => worker.once('exit', (code, signal) => resolve(code ?? signal!)))
  }

  it('ends by itself once its events are stopped: no timer and no connection is left', async () => {
    expect(await work({ handler: 'brief', stopAfter: 100 })).toBe(0)
  })

  // `npm run test:faults` sets FAULTS and takes its time; otherwise test/handling.test.ts has to do, where nothing is killed.
  const killed = 'may be killed by an event: that one is dead after its attempts, its neighbours are handled'
  if (process.env.FAULTS)
    it(killed, { timeout: 60_000 }, async () => {
      const [poison, ...others] = Array.from({ length: 4 }, () => randomUUID())
      for (const order of others) await shop.emit(acme, { order, n: 1 })
      await shop.emit(acme, { order: poison!, n: 1 })
      for (let attempt = 1; attempt <= 2; attempt++) expect(await work({ handler: 'killed', poison })).toBe('SIGKILL')
      const last = work({ handler: 'killed', poison })
      const rows = () =>
        shop.database.admin(
          `SELECT aggregate, status, attempts FROM shop.inbox WHERE handler = 'killed' ORDER BY status, aggregate`,
        )
      await until(async () => (await rows()).every(({ status }) => status !== 'pending'), 30_000)
      expect(await rows()).toEqual([
        { aggregate: `order/${poison}`, status: 'dead', attempts: 2 },
        ...others.toSorted().map((order) => ({ aggregate: `order/${order}`, status: 'done', attempts: 0 })),
      ])
      for (const worker of workers) worker.kill('SIGTERM')
      await last
      expect(await shop.noted(acme, poison!)).toBe('')
      for (const order of others) expect(await shop.noted(acme, order)).toBe('1 ')
    })
})
