import { randomUUID } from 'node:crypto'
import type { TenantId } from '@offshoot/rpc'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { batchHandler, type Handler, handler, on } from '../src/index.ts'
import { rebuild } from '../src/rebuild.ts'
import { acme, Closed, globex, Noted, note, openShop, pause, type Shop, until } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.stop())
beforeEach(async () => {
  for (const table of ['outbox', 'outbox_head', 'inbox', 'inbox_head', 'order'])
    await shop.database.admin(`DELETE FROM shop."${table}"`)
})

const log = { info() {}, warn() {}, error() {} }
const again = (handler: Handler) =>
  rebuild({ domain: 'shop', handler, lanes: shop.lanes, historyOf: async () => shop.system, log })

/** Notes what it gets; `as` tells the version of the handler. `meanwhile` happens in each batch. */
const projection = (as = '', meanwhile: (tenant: TenantId, orders: string[]) => unknown = () => {}) =>
  batchHandler<any, unknown>(
    'projection',
    [Noted, Closed],
    async ({ tx, tenant }, events) => {
      await meanwhile(
        tenant,
        events.map(({ data }) => data.order),
      )
      for (const { type, data } of events)
        await note(tx, data.order, type === Closed.name ? `${as}closed` : `${as}${data.n}`)
    },
    { attempts: 1, rebuild: { forget: (tx) => tx.order.deleteMany({}) } },
  )

/** Where a handler waits until it is opened. */
function gate() {
  let open = () => {}
  let arrived = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  const reached = new Promise<void>((resolve) => (arrived = resolve))
  function pass() {
    arrived()
    return opened
  }
  return { pass, reached, open }
}

const inbox = async () =>
  (await shop.database.admin(`SELECT status, count(*)::int FROM shop.inbox GROUP BY status ORDER BY status`)) as {
    status: string
    count: number
  }[]
const idle = () => until(async () => !(await inbox()).some(({ status }) => status === 'pending'))
/** Emits 1, 2, 3 … in transactions of their own. */
async function emit(tenant: TenantId, order: string, upTo: number, from = 1): Promise<void> {
  for (let n = from; n <= upTo; n++) await shop.emit(tenant, { order, n })
}

describe('rebuilding a projection', () => {
  it('hands all of history to the handler anew, in order, for every tenant', async () => {
    const [a, b] = [randomUUID(), randomUUID()]
    await shop.emit(acme, ...Array.from({ length: 250 }, (_, n) => ({ order: a, n: n + 1 })))
    await emit(globex, b, 3)
    const runtime = await shop.start([projection()])
    await until(async () => (await shop.noted(globex, b)) === '1 2 3 ')
    await idle()
    await runtime.stop()
    await shop.emit(globex, { order: b, n: 4 }) // nobody has handled this one yet

    expect(await again(projection('new-'))).toEqual({ tenants: 2, events: 254 })
    expect(await shop.noted(acme, a)).toBe(Array.from({ length: 250 }, (_, n) => `new-${n + 1} `).join(''))
    expect(await shop.noted(globex, b)).toBe('new-1 new-2 new-3 new-4 ')

    const later = await shop.start([projection('later-')])
    await shop.emit(globex, { order: b, n: 5 })
    await until(async () => (await shop.noted(globex, b)).endsWith('5 '))
    expect(await shop.noted(globex, b)).toBe('new-1 new-2 new-3 new-4 later-5 ')
    await idle()
    expect(await inbox()).toEqual([{ status: 'done', count: 255 }])
    await later.stop()
  })

  it('loses nothing that happens meanwhile, and handles nothing twice', async () => {
    const orders = Array.from({ length: 6 }, () => randomUUID())
    const runtimes = [await shop.start([projection()]), await shop.start([projection()])]
    let rebuilt = false
    const emitted = Promise.all(
      orders.map(async (order, at) => {
        let n = 0
        for (; !rebuilt; await pause(20)) if (n < 100) await shop.emit(at % 2 ? acme : globex, { order, n: ++n })
        return n
      }),
    )
    try {
      for (let turn = 0; turn < 5; turn++) await again(projection())
    } finally {
      rebuilt = true
    }
    const counts = await emitted
    await until(
      async () => (await inbox()).reduce((sum, { count }) => sum + count, 0) === counts.reduce((sum, n) => sum + n),
    )
    await idle()
    for (const [at, order] of orders.entries())
      expect(await shop.noted(at % 2 ? acme : globex, order)).toBe(
        Array.from({ length: counts[at]! }, (_, n) => `${n + 1} `).join(''),
      )
    expect((await inbox()).map(({ status }) => status)).toEqual(['done'])
    await Promise.all(runtimes.map((runtime) => runtime.stop()))
  })

  it('shows readers what was there before until it is done, and keeps nobody else waiting', async () => {
    const [a, b] = [randomUUID(), randomUUID()]
    const runtime = await shop.start([projection()])
    await emit(acme, a, 2)
    await until(async () => (await shop.noted(acme, a)) === '1 2 ')
    const inside = gate()
    const rebuilding = again(projection('new-', inside.pass))
    await inside.reached
    await shop.emit(acme, { order: a, n: 3 }, { order: randomUUID(), n: 1 })
    await shop.emit(globex, { order: b, n: 1 })
    await until(async () => (await shop.noted(globex, b)) === '1 ')
    await pause(300)
    expect(await shop.noted(acme, a)).toBe('1 2 ')
    inside.open()
    await rebuilding
    await until(async () => (await shop.noted(acme, a)) === 'new-1 new-2 3 ')
    await idle()
    expect(shop.logged.filter(({ level }) => level !== 'info')).toEqual([])
    await runtime.stop()
  })

  it('does not count as a failure that a handler waited for it', async () => {
    const order = randomUUID()
    const first = await shop.start([projection()])
    await emit(acme, order, 1)
    await idle()
    await first.stop()

    const [handling, rebuilding] = [gate(), gate()]
    const runtime = await shop.start([{ ...projection('', handling.pass), timeout: 500 }])
    await emit(acme, order, 2, 2)
    await handling.reached
    const rebuilt = again(projection('new-', rebuilding.pass))
    await rebuilding.reached // its rows are locked: the handler will wait for them in vain
    handling.open()
    await pause(1_500) // twice: a batch that failed is tried one by one
    rebuilding.open()
    await rebuilt
    await idle()
    expect(await shop.noted(acme, order)).toBe('new-1 new-2 ')
    expect(shop.logged.filter(({ level }) => level !== 'info')).toEqual([])
    await runtime.stop()
  })

  it('handles what was dead, and lets its aggregate go on; what was discarded stays so', async () => {
    const [dead, gone] = [randomUUID(), randomUUID()]
    const poisoned = projection('', (_, orders) =>
      orders.includes(dead) || orders.includes(gone) ? Promise.reject(new Error('no')) : 0,
    )
    const runtime = await shop.start([poisoned])
    await emit(acme, dead, 2)
    await emit(acme, gone, 2)
    await until(async () => (await inbox()).some(({ status, count }) => status === 'dead' && count === 2))
    const [{ id }] = (await shop.database.admin(
      `SELECT id FROM shop.inbox WHERE status = 'dead' AND aggregate = 'order/${gone}'`,
    )) as [{ id: string }]
    await runtime.stop()
    await shop.system.query('SELECT shop.revive($1, $2, $3, true)', [acme, 'projection', id])

    await again(projection())
    expect(await shop.noted(acme, dead)).toBe('1 2 ')
    expect(await shop.noted(acme, gone)).toBe('2 ')
    const later = await shop.start([projection()])
    await emit(acme, dead, 3, 3)
    await until(async () => (await shop.noted(acme, dead)) === '1 2 3 ')
    await later.stop()
  })

  it('changes nothing of a tenant when it fails', async () => {
    const order = randomUUID()
    const runtime = await shop.start([projection()])
    await emit(acme, order, 2)
    await until(async () => (await shop.noted(acme, order)) === '1 2 ')
    await expect(again(projection('', () => Promise.reject(new Error('that was it'))))).rejects.toThrow(
      /An event from [0-9a-f-]{36} to [0-9a-f-]{36} of tenant .* that was it/,
    )
    expect(await shop.noted(acme, order)).toBe('1 2 ')
    await emit(acme, order, 3, 3)
    await until(async () => (await shop.noted(acme, order)) === '1 2 3 ')
    await runtime.stop()
  })

  it('is for handlers that say how', async () => {
    await expect(again(handler('plain', [on(Noted, async () => {})]))).rejects.toThrow('does not say how')
  })
})
