import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acme, openShop, pause, type Shop, until } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.stop())

describe('the health of events', () => {
  it('is well when they are carried', async () => {
    const runtime = await shop.start([])
    await shop.emit(acme, { order: randomUUID(), n: 1 })
    await until(async () => (await runtime.health()).lag.shop === 0)
    expect(await runtime.health()).toEqual({ carried: true, lag: { shop: 0 } })
    await runtime.stop()
  })

  it('tells when they are not, and how far the outbox is behind', async () => {
    const lost = () => Promise.reject(new Error('gone'))
    const transport = { ...(await shop.transport()), publish: lost, ping: lost }
    const runtime = await shop.start([], { transport })
    await shop.emit(acme, { order: randomUUID(), n: 1 })
    await pause(200)
    const { carried, lag } = await runtime.health()
    expect(carried).toBe(false)
    expect(lag.shop).toBeGreaterThan(0.1)
    await runtime.stop()
  })

  it('is not well when something has been waiting for long, whatever the transport says', async () => {
    const transport = { ...(await shop.transport()), publish: () => Promise.reject(new Error('no')) }
    const runtime = await shop.start([], { transport })
    await shop.emit(acme, { order: randomUUID(), n: 1 })
    expect((await runtime.health()).carried).toBe(true)
    await shop.database.admin(`UPDATE shop.outbox SET time = now() - interval '31 seconds' WHERE published_at IS NULL`)
    expect((await runtime.health()).carried).toBe(false)
    await runtime.stop()
  })

  it('is told within a second or so when nobody answers', async () => {
    const runtime = await shop.start([], {
      transport: { ...(await shop.transport()), ping: () => new Promise(() => {}) },
    })
    const began = Date.now()
    expect((await runtime.health()).carried).toBe(false)
    expect(Date.now() - began).toBeLessThan(10_000)
    await runtime.stop()
  })
})
