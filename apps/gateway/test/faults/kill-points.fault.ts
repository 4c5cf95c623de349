import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NatsServer } from '../../../../packages/platform/events/test/nats-server.ts'
import { describeOverEachTransport } from './carriers.ts'
import { openProduct, type Product, type Shop } from './product.ts'
import { type Moment, openTrap, type Trap } from './trap.ts'

/** An event on its way to whatever carries it. */
const publication = /"specversion[\s\S]*orders\.OrderPlaced/
/** What ends a handler: the note that its event was handled, which leaves together with COMMIT. */
const settlement = (handler: string) => new RegExp(`\\0${handler}\\0[\\s\\S]{3}\\[{"source"[^\\]]*"handled":`)

describeOverEachTransport('a process killed', (start) => {
  let nats: NatsServer | undefined
  let product: Product
  let shop: Shop
  /** To the database, and to what carries events. */
  let traps: { database: Trap; carrier: Trap }
  beforeAll(async () => {
    nats = await start()
    product = await openProduct({ nats, processes: 1 })
    shop = await product.openShop('north')
    const database = await openTrap(product.database.adminUrl)
    traps = { database, carrier: nats ? await openTrap(nats.url) : database }
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

  /** Places an order with a process that is killed at that moment. */
  async function killAt(trap: Trap, moment: Moment, ready = async (_: string) => {}): Promise<string> {
    for (const process of [...product.processes]) await process.kill()
    const victim = await product.start({
      DATABASE_URL: through(product.database.adminUrl, traps.database),
      ...(nats && { NATS_URL: through(nats.url, traps.carrier) }),
    })
    trap.at(moment, () => process.kill(victim.pid, 'SIGKILL'))
    const placing = shop.place({ paymentMethod: 'pm_ok' }) // its answer may never come: the next process then gives it
    await victim.ended
    await product.start()
    const order = await placing
    await ready(order)
    return order
  }

  const captured = /COMMIT\0/
  const outcomes: Promise<string>[] = []
  const moments: [string, () => Trap, Moment][] = [
    ['after the commit of an order, before its event is published', () => traps.carrier, { said: publication }],
    [
      'after an event is published, before that is noted',
      () => traps.carrier,
      { said: publication, answered: /"stream":"offshoot_orders"|SELECT \d+\0Z/ },
    ],
    ...['reserve-stock', 'captures', 'saga'].flatMap((handler): typeof moments => [
      [`before the commit of ${handler}`, () => traps.database, { said: settlement(handler) }],
      [`after the commit of ${handler}`, () => traps.database, { said: settlement(handler), answered: captured }],
    ]),
    ['after a mail was sent, before that is noted', () => traps.database, { said: settlement('send-email') }],
  ]
  for (const [what, trap, moment] of moments)
    it(what, async () => {
      outcomes.push(Promise.resolve(await killAt(trap(), moment)))
    })

  it('leaves nothing undone and nothing done twice', async () => {
    await product.settled([shop])
    for (const order of await Promise.all(outcomes)) expect(await shop.status(order)).toBe('CONFIRMED')
    const ids = product.mails.map(({ headers }) => headers.get('message-id'))
    expect(ids.length - new Set(ids).size).toBe(1) // at least once: the same mail, which mailboxes recognise
  }, 90_000)
})
