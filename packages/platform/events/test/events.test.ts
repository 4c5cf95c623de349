import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { handler, on } from '../src/index.ts'
import { acme, Noted, openShop, type Shop, until } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.stop())

describe('an event', () => {
  it('is handled once', async () => {
    const seen: unknown[] = []
    const runtime = await shop.start([
      handler('notes', [
        on(Noted, async ({ tx }, { data }) => {
          await (tx as any).order.create({ data: { key: data.order } })
          seen.push(data)
        }),
      ]),
    ])
    const order = randomUUID()
    const t = performance.now()
    await shop.emit(acme, { order, n: 1 })
    await until(() => seen.length === 1)
    console.log('latency', performance.now() - t)
    const lat: number[] = []
    for (let i = 0; i < 30; i++) {
      const t = performance.now()
      const had = seen.length
      await shop.emit(acme, { order: randomUUID(), n: 1 })
      while (seen.length === had) await new Promise((r) => setImmediate(r))
      lat.push(performance.now() - t)
    }
    lat.sort((a, b) => a - b)
    console.log('median', lat[15], 'max', lat[29])
    expect(shop.logged.filter(({ level }) => level !== 'info')).toEqual([])
    await runtime.stop()
  })
})
