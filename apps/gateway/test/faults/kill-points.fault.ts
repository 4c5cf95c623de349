// #region with catalog, orders, billing, notifications, insights
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NatsServer } from '../../../../packages/platform/events/test/nats-server.ts'
import { describeOverEachTransport } from './carriers.ts'
import { openProduct, type Process, type Product, pause } from './product.ts'
import { openShop, type Shop, settled } from './shops.ts'
import { type Moment, openTrap, type Trap } from './trap.ts'

/** An event on its way to whatever carries it. */
const publication = /"specversion[\s\S]*orders\.OrderPlaced/
/** What ends a handler: the note that its event was handled, which leaves together with COMMIT. */
const settlement = (handler: string) => new RegExp(`${handler}\\0\\0[\\s\\S]{2}\\[\\{"source"[^\\]]*"handled":`)

describeOverEachTransport('a process killed', (start, carrier) => {
  let nats: NatsServer | undefined
  let product: Product
  let shop: Shop
  /** To the database, and to what carries events. */
  let traps: { database: Trap; carrier: Trap }
  let victim: Process
  beforeAll(async () => {
    nats = await start()
    product = await openProduct({ nats, processes: 0 })
    const database = await openTrap(product.database.adminUrl)
    traps = { database, carrier: nats ? await openTrap(nats.url) : database }
    victim = await startVictim()
    shop = await openShop(product, 'north')
  })
  afterAll(async () => {
    await product.stop()
    for (const trap of Object.values(traps)) await trap.close()
    await nats?.stop()
  })

  const through = (url: string, { port }: Trap) => {
    const way = new URL(url)
    way.port = String(port)
    return way.href
  }

  const startVictim = () =>
    product.start({
      DATABASE_URL: through(product.database.adminUrl, traps.database),
      ...(nats && { NATS_URL: through(nats.url, traps.carrier) }),
    })

  /** Places an order, whose process is killed at that moment. */
  async function killAt(trap: Trap, moment: Moment): Promise<string> {
    trap.at(moment, () => process.kill(victim.pid, 'SIGKILL'))
    const placing = shop.place({}) // its answer may be lost: the next process gives it
    const tooLate = pause(20_000).then(() => Promise.reject(new Error('The moment did not come.')))
    await Promise.race([victim.ended, tooLate])
    victim = await startVictim()
    return placing
  }

  const committed = /COMMIT\0/
  const orders: string[] = []
  const moments: [string, () => Trap, Moment][] = [
    ['after the commit of an order, before its event is published', () => traps.carrier, { said: publication }],
    [
      'after an event is published, before that is noted',
      () => traps.carrier,
      { said: publication, answered: /"stream":"[^"]+_orders"|SELECT \d+\0Z/ },
    ],
    // What follows is the same whatever carries events.
    ...(carrier === 'NATS' ? [] : ['reserve-stock', 'captures', 'saga', 'send-email']).flatMap(
      (handler): typeof moments => [
        [`before the commit of ${handler}`, () => traps.database, { said: settlement(handler) }],
        [`after the commit of ${handler}`, () => traps.database, { said: settlement(handler), answered: committed }],
      ],
    ),
  ]
  for (const [what, trap, moment] of moments)
    it(what, async () => {
      orders.push(await killAt(trap(), moment))
    })

  it('leaves nothing undone and nothing done twice', async () => {
    await settled(product, [shop])
    for (const order of orders) expect(await shop.status(order)).toBe('CONFIRMED')
    const ids = product.mails.map(({ headers }) => headers.get('message-id'))
    if (carrier === 'PostgreSQL') expect(ids.length).toBeGreaterThan(new Set(ids).size) // the same mail again, which mailboxes recognise
  }, 90_000)
})
