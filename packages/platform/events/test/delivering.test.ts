import { randomUUID } from 'node:crypto'
import { openLanes } from '@offshoot/data'
import { TEST_APP_SECRET } from '@offshoot/data/testing'
import { TenantId } from '@offshoot/rpc'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PrismaClient } from '../../data/test/shop/src/generated/prisma/client.ts'
import { type Envelope, envelopeSeal, type Message } from '../src/envelope.ts'
import { handler, on } from '../src/index.ts'
import type { EventsRuntime, Transport } from '../src/runtime.ts'
import { describeOverEachTransport } from './carriers.ts'
import { acme, globex, Noted, note, openShop, pause, type Shop, until } from './shop.ts'

describeOverEachTransport('delivering events', (start) => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(await start())
  })
  afterAll(() => shop.stop())

  /** Runs while `work` does, and notes all that comes. */
  async function noting<T>(
    work: (runtime: EventsRuntime) => Promise<T>,
    options?: Parameters<Shop['start']>[1],
  ): Promise<T> {
    const name = `notes-${randomUUID()}`
    const runtime = await shop.start(
      [handler(name, [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))])],
      options,
    )
    try {
      return await work(runtime)
    } finally {
      await runtime.stop()
    }
  }

  it('handles an event under its tenant, where nobody else sees the effect', () =>
    noting(async () => {
      const order = randomUUID()
      await shop.emit(acme, { order, n: 1 })
      await until(async () => (await shop.noted(acme, order)) === '1 ')
      expect(await shop.noted(globex, order)).toBe('')
    }))

  it('wakes at once on commit, all the way', () =>
    noting(
      async () => {
        await shop.emit(acme, { order: randomUUID(), n: 1 })
        await pause(300) // everybody has looked once, and found nothing more
        const order = randomUUID()
        const began = performance.now()
        await shop.emit(acme, { order, n: 1 })
        await until(async () => (await shop.noted(acme, order)) === '1 ')
        expect(performance.now() - began).toBeLessThan(20_000)
      },
      { poll: 60_000 },
    ))

  it('finds by looking what another process emitted that tells nobody', () =>
    noting(async () => {
      const elsewhere = await openLanes({
        url: shop.database.urls.shop!.serving,
        schema: 'shop',
        prisma: (adapter) => new PrismaClient({ adapter }),
      })
      const order = randomUUID()
      await elsewhere.use(acme, (db) => db.transaction(async (tx) => tx.emit(Noted, { order, n: 1 })))
      await until(async () => (await shop.noted(acme, order)) === '1 ')
      await elsewhere.close()
    }))

  it('neither loses nor swaps events of transactions that commit in another order than they began', () =>
    noting(async () => {
      const [order, other] = [randomUUID(), randomUUID()]
      const slow = await emitUncommitted(order, 1)
      const waits = shop.emit(acme, { order, n: 2 }) // of the same aggregate: its turn comes after that commit
      await shop.emit(acme, { order: other, n: 1 }) // overtakes
      await until(async () => (await shop.noted(acme, other)) === '1 ')
      expect(await shop.noted(acme, order)).toBe('')
      await slow.commit()
      await waits
      await until(async () => (await shop.noted(acme, order)) === '1 2 ')
    }))

  it('goes on publishing while a transaction is long elsewhere in the cluster', () =>
    noting(async () => {
      const long = new pg.Client(shop.database.adminUrl)
      await long.connect()
      await long.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
      await long.query('SELECT pg_current_xact_id()')
      const order = randomUUID()
      await shop.emit(acme, { order, n: 1 })
      await until(async () => (await shop.noted(acme, order)) === '1 ')
      await long.query('ROLLBACK')
      await long.end()
    }))

  it('publishes each event once and in order, with several relays', async () => {
    const published: Envelope[] = []
    const recording = (transport: Transport): Transport => ({
      ...transport,
      publish(source, messages) {
        published.push(...messages.map(({ body }) => JSON.parse(body)))
        return transport.publish(source, messages)
      },
    })
    const runtimes = await Promise.all(
      [1, 2, 3].map(async () => shop.start([], { transport: recording(await shop.transport()), poll: 20 })),
    )
    const orders = Array.from({ length: 10 }, () => randomUUID())
    await Promise.all(
      orders.map(async (order) => {
        for (let n = 1; n <= 10; n++) await shop.emit(n % 2 ? acme : globex, { order, n })
      }),
    )
    const mine = () => published.filter(({ subject }) => orders.some((order) => subject.endsWith(order)))
    await until(() => mine().length >= 100)
    await pause(100)
    expect(mine()).toHaveLength(100)
    for (const tenant of [acme, globex])
      for (const order of orders) {
        const revisions = mine().filter(({ subject, tenantid }) => tenantid === tenant && subject.endsWith(order))
        expect(revisions.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5])
      }
    await Promise.all(runtimes.map((runtime) => runtime.stop()))
  })

  it('handles once and in order what is delivered three times and shuffled, by workers at once that fail one time in three', async () => {
    let calls = 0
    const handlers = [
      handler(`shuffled-${randomUUID()}`, [
        on(Noted, async ({ tx }, { data }) => {
          await note(tx, data.order, data.n)
          if (++calls % 3 === 0) throw new Error('one in three')
        }),
      ]),
    ]
    const runtimes = await Promise.all(
      [1, 2].map(async () => shop.start(handlers, { transport: thriceAndShuffled(await shop.transport()), poll: 50 })),
    )
    const orders = Array.from({ length: 8 }, () => randomUUID())
    await Promise.all(
      orders.map(async (order) => {
        for (let n = 1; n <= 5; n++) await shop.emit(acme, { order, n })
      }),
    )
    const all = () => Promise.all(orders.map((order) => shop.noted(acme, order)))
    await until(async () => (await all()).every((notes) => notes === '1 2 3 4 5 '), 15_000).catch(() => {})
    expect(await all()).toEqual(orders.map(() => '1 2 3 4 5 '))
    await pause(100)
    expect(await all()).toEqual(orders.map(() => '1 2 3 4 5 ')) // and no further effects
    await Promise.all(runtimes.map((runtime) => runtime.stop()))
  })

  it('drops a message with a forged tenant, and says so', async () => {
    const [stolen, changed, honest] = [randomUUID(), randomUUID(), randomUUID()]
    const ours = envelopeSeal(TEST_APP_SECRET)
    const theirs = envelopeSeal('another secret, of somebody who shares the broker')
    const genuine = ours.seal(envelope(acme, changed))
    const transport = await shop.transport()
    await noting(
      async () => {
        await transport.publish('shop', [
          theirs.seal(envelope(acme, stolen)),
          { ...genuine, tenant: globex },
          { ...genuine, tenant: globex, body: genuine.body.replace(acme, globex) },
        ])
        await shop.emit(acme, { order: honest, n: 1 })
        await until(async () => (await shop.noted(acme, honest)) === '1 ')
      },
      { transport },
    )
    for (const tenant of [acme, globex])
      for (const order of [stolen, changed]) expect(await shop.noted(tenant, order)).toBe('')
    expect(shop.logged.filter(({ message }) => message.includes('wrong signature'))).not.toHaveLength(0)
  })

  it('does no harm with an event whose tenant was deleted meanwhile', async () => {
    const gone = TenantId.parse(randomUUID())
    const [order, other] = [randomUUID(), randomUUID()]
    await shop.emit(gone, { order, n: 1 })
    const relay = await shop.start([])
    await until(
      async () => (await shop.database.admin('SELECT FROM shop.outbox WHERE published_at IS NULL')).length === 0,
    )
    await relay.stop()
    for (const table of ['outbox', 'outbox_head', 'inbox', 'inbox_head', 'order'])
      await shop.database.admin(`DELETE FROM shop."${table}" WHERE tenant_id = $1`, [gone])
    await noting(async () => {
      await shop.emit(acme, { order: other, n: 1 })
      await until(async () => (await shop.noted(acme, other)) === '1 ')
    })
    for (const tenant of [acme, globex]) expect(await shop.noted(tenant, order)).toBe('')
  })

  it('stops: nothing is handled afterwards, and no connection is left', async () => {
    await noting(() => shop.emit(acme, { order: randomUUID(), n: 1 }))
    const order = randomUUID()
    await shop.emit(acme, { order, n: 1 })
    await pause(300)
    expect(await shop.noted(acme, order)).toBe('')
    await until(async () => {
      const left = await shop.database.admin(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'offshoot shop events'`,
      )
      return left.length === 0
    })
  })

  /** Emits as a lane does, and leaves the commit to the caller. */
  async function emitUncommitted(order: string, n: number) {
    const client = new pg.Client(shop.database.urls.shop!.serving)
    await client.connect()
    await client.query('BEGIN')
    await client.query('SELECT app.enter($1)', [acme])
    const event = { n: 0, id: randomUUID(), ...Noted.prepare({ order, n }) }
    await client.query('SELECT shop.emit($1)', [JSON.stringify([event])])
    return {
      async commit() {
        await client.query('COMMIT')
        await client.end()
      },
    }
  }
})

function envelope(tenant: string, order: string): Envelope {
  return {
    specversion: '1.0',
    id: randomUUID(),
    source: 'shop',
    type: 'shop.Noted',
    subject: `order/${order}`,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    dataversion: 1,
    tenantid: tenant,
    revision: 1,
    lastbytype: '{}',
    data: { order, n: 1 },
  }
}

/** A transport on a bad day. */
function thriceAndShuffled(transport: Transport): Transport {
  return {
    ...transport,
    subscribe(consumer, sources, receive) {
      let gathered: Message[] = []
      return transport.subscribe(consumer, sources, async (messages) => {
        gathered.push(...messages, ...messages, ...messages)
        await pause(30)
        const shuffled = gathered.toSorted(() => Math.random() - 0.5)
        gathered = []
        while (shuffled.length > 0) await receive(shuffled.splice(0, 7))
      })
    },
  }
}
