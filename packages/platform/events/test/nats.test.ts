import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { handler, on } from '../src/index.ts'
import type { EventsRuntime } from '../src/runtime.ts'
import { type NatsServer, natsIsInstalled, startNats } from './nats-server.ts'
import { acme, Noted, note, openShop, pause, type Shop, until } from './shop.ts'

const reason = natsIsInstalled ? '' : ' (skipped: nats-server is not installed)'
describe.skipIf(!natsIsInstalled)(`a NATS server${reason}`, () => {
  let nats: NatsServer
  let shop: Shop
  let runtime: EventsRuntime
  beforeAll(async () => {
    nats = await startNats()
    shop = await openShop(nats)
    runtime = await shop.start([handler('notes', [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))])])
  })
  afterAll(() => shop.stop())

  const comesToBe = (order: string, notes: string) => until(async () => (await shop.noted(acme, order)) === notes)

  it('may restart: what was published arrives, and all goes on by itself', async () => {
    const order = randomUUID()
    await shop.emit(acme, { order, n: 1 })
    await comesToBe(order, '1 ')
    await nats.halt()
    await nats.start()
    await shop.emit(acme, { order, n: 2 })
    await comesToBe(order, '1 2 ')
  })

  it('may be down while events happen: they are published when it is back', async () => {
    const order = randomUUID()
    await nats.halt()
    await shop.emit(acme, { order, n: 1 })
    await pause(300)
    await shop.emit(acme, { order, n: 2 })
    expect(await shop.noted(acme, order)).toBe('')
    await nats.start()
    await comesToBe(order, '1 2 ')
  })

  it('may lose all that it keeps: what nobody had received is published again, and has its effect once like the rest', async () => {
    const [handled, lost] = [randomUUID(), randomUUID()]
    await shop.emit(acme, { order: handled, n: 1 })
    await comesToBe(handled, '1 ')
    await runtime.stop()
    const relay = await shop.start([])
    await shop.emit(acme, { order: lost, n: 1 }, { order: handled, n: 2 })
    await until(
      async () => (await shop.database.admin('SELECT FROM shop.outbox WHERE published_at IS NULL')).length === 0,
    )

    await nats.halt()
    nats.wipe()
    await nats.start()
    // The consumer may be the first to miss the stream: it makes it, and the history comes all the same.
    runtime = await shop.start([handler('notes', [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))])])
    await comesToBe(lost, '1 ')
    await comesToBe(handled, '1 2 ')
    await pause(300)
    expect(await shop.noted(acme, handled)).toBe('1 2 ')
    await relay.stop()
  })

  it('may be away when a process starts, and when it stops', async () => {
    const order = randomUUID()
    await runtime.stop()
    await nats.halt()
    runtime = await shop.start([handler('notes', [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))])])
    await shop.emit(acme, { order, n: 1 })
    const began = performance.now()
    await runtime.stop()
    expect(performance.now() - began).toBeLessThan(10_000)
    await nats.start()
    runtime = await shop.start([handler('notes', [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))])])
    await comesToBe(order, '1 ')
  })
})
