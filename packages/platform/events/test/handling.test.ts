import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import type { Message } from '../src/envelope.ts'
import { batchHandler, defineEvent, type Handler, handler, on } from '../src/index.ts'
import type { Transport } from '../src/runtime.ts'
import { describeOverEachTransport } from './carriers.ts'
import { acme, Closed, globex, Noted, note, openShop, pause, type Shop, type StartOptions, until } from './shop.ts'

describeOverEachTransport('handling events', (start) => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(await start())
  })
  afterAll(() => shop.stop())

  async function running<T>(handlers: Handler | Handler[], work: () => Promise<T>, options?: StartOptions): Promise<T> {
    const runtime = await shop.start([handlers].flat(), options)
    try {
      return await work()
    } finally {
      await runtime.stop()
    }
  }

  const inbox = (handler: string, order: string) =>
    shop.database.admin('SELECT * FROM shop.inbox WHERE handler = $1 AND aggregate = $2 ORDER BY revision', [
      handler,
      `order/${order}`,
    ])
  const comesToBe = (order: string, notes: string, tenant = acme) =>
    until(async () => (await shop.noted(tenant, order)) === notes)
  const newName = (what: string) => `${what}-${randomUUID()}`
  const revive = (name: string, id: string, discard: boolean) =>
    shop.system.query('SELECT shop.revive($1, $2, $3, $4)', [acme, name, id, discard])

  it('tries again what failed, while later events of the same aggregate wait and others flow', async () => {
    const [order, other] = [randomUUID(), randomUUID()]
    const began: string[] = []
    let failures = 2
    const handlers = handler(newName('retried'), [
      on(Noted, async ({ tx }, { data }) => {
        if (data.order !== order && data.order !== other) return
        began.push(data.order === order ? `${data.n}` : 'other')
        await note(tx, data.order, data.n)
        if (data.order === order && data.n === 1 && failures-- > 0) throw new Error('not yet')
      }),
    ])
    await running(
      handlers,
      async () => {
        await shop.emit(acme, { order, n: 1 }, { order, n: 2 })
        await until(() => began.length === 1)
        await shop.emit(acme, { order: other, n: 1 })
        await comesToBe(other, '1 ')
        await comesToBe(order, '1 2 ')
      },
      { firstRetry: 500 },
    )
    expect(began).toEqual(['1', 'other', '1', '1', '2'])
  })

  it.each(['one by one', 'in batches'])(
    'holds back what a tenant is to wait for, %s, without a try, and goes on in order; others flow',
    async (how) => {
      const [order, other] = [randomUUID(), randomUUID()]
      const name = newName('held')
      let holding = true
      const options = { holds: (tenant: string) => holding && tenant === acme }
      const mine = (n: { order: string }) => n.order === order || n.order === other
      const handlers =
        how === 'one by one'
          ? handler(
              name,
              [
                on(Noted, async ({ tx }, { data }) => {
                  if (mine(data)) await note(tx, data.order, data.n)
                }),
              ],
              options,
            )
          : batchHandler(
              name,
              [Noted],
              async ({ tx }, events) => {
                for (const { data } of events) if (mine(data)) await note(tx, data.order, data.n)
              },
              options,
            )
      await running(handlers, async () => {
        await shop.emit(acme, { order, n: 1 }, { order, n: 2 })
        await shop.emit(globex, { order: other, n: 1 })
        await comesToBe(other, '1 ', globex)
        await until(async () => (await inbox(name, order)).length === 2)
        await pause(700)
        expect(await shop.noted(acme, order)).toBe('')
        const heads = await shop.database.admin(
          'SELECT attempts, leased_until FROM shop.inbox_head WHERE handler = $1 AND aggregate = $2',
          [name, `order/${order}`],
        )
        expect(heads).toEqual([{ attempts: 0, leased_until: null }])
        holding = false
        await comesToBe(order, '1 2 ')
      })
    },
  )

  it('parks an aggregate behind a dead event, tells what happened, and goes on in order after a replay', async () => {
    const [order, other] = [randomUUID(), randomUUID()]
    const name = newName('parked')
    let broken = true
    const handlers = handler(
      name,
      [
        on(Noted, async ({ tx }, { data }) => {
          if (data.order === order && broken) throw new TypeError('the provider says no')
          await note(tx, data.order, data.n)
        }),
      ],
      { attempts: 3 },
    )
    await running(handlers, async () => {
      await shop.emit(acme, { order, n: 1 }, { order, n: 2 }, { order: other, n: 1 })
      await until(async () => (await inbox(name, order))[0]?.status === 'dead')
      const [dead, next] = await inbox(name, order)
      expect(dead).toMatchObject({
        status: 'dead',
        attempts: 3,
        error: 'TypeError: the provider says no',
        data: { order, n: 1 },
      })
      expect(dead!.last_failed_at.getTime()).toBeGreaterThan(dead!.first_failed_at.getTime())
      await shop.emit(acme, { order, n: 3 })
      await comesToBe(other, '1 ')
      await pause(250)
      expect(next).toMatchObject({ status: 'pending' })
      expect(await shop.noted(acme, order)).toBe('')

      broken = false
      await revive(name, dead!.id, false)
      await comesToBe(order, '1 2 3 ')
      expect((await inbox(name, order)).map(({ status, data }) => [status, data])).toEqual(
        Array(3).fill(['done', null]),
      )
    })
  })

  it('skips a dead event that is discarded', async () => {
    const order = randomUUID()
    const name = newName('discarded')
    const handlers = handler(
      name,
      [
        on(Noted, async ({ tx }, { data }) => {
          if (data.order === order && data.n === 1) throw new Error('for good')
          await note(tx, data.order, data.n)
        }),
      ],
      { attempts: 1 },
    )
    await running(handlers, async () => {
      await shop.emit(acme, { order, n: 1 }, { order, n: 2 })
      await until(async () => (await inbox(name, order))[0]?.status === 'dead')
      await revive(name, (await inbox(name, order))[0]!.id, true)
      await comesToBe(order, '2 ')
      expect((await inbox(name, order)).map(({ status }) => status)).toEqual(['discarded', 'done'])
    })
  })

  it('ends a handler that hangs: its effects are undone and it has no database any more', async () => {
    const order = randomUUID()
    const name = newName('hanging')
    let late: unknown
    const handlers = handler(
      name,
      [
        on(Noted, async ({ tx }, { data }) => {
          if (data.order !== order) return
          await note(tx, order, data.n)
          await pause(400)
          late = await note(tx, order, 'late').catch((error) => error)
        }),
      ],
      { attempts: 1, timeout: 200 },
    )
    await running(handlers, async () => {
      await shop.emit(acme, { order, n: 1 })
      await until(() => late !== undefined)
      expect(String(late)).toContain('revoked')
      await until(async () => (await inbox(name, order))[0]?.status === 'dead')
      expect((await inbox(name, order))[0]!.error).toBe('Error: The handler did not end within 200 ms.')
      expect(await shop.noted(acme, order)).toBe('')
    })
  })

  it('does not blame an event for the failure of one before it that was handled by somebody else meanwhile', async () => {
    const order = randomUUID()
    const name = newName('stalled')
    const claimed = await leased(name, [order], '50 ms')
    await pause(60) // the process that has it stands still for longer than its lease
    await running(handler(name, [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))]), async () => {
      await comesToBe(order, '1 ')
      const fail = 'SELECT shop.fail($1, $2, $3, $4, $5, 1, $6, null) AS noted'
      const { rows } = await shop.system.query(fail, [
        acme,
        name,
        'shop',
        `order/${order}`,
        claimed[0]!.leased_until,
        'late',
      ])
      expect(rows[0].noted).toBe(false)
      expect((await inbox(name, order))[0]!.status).toBe('done')
    })
  })

  it('declares an event dead that kills its process each time', async () => {
    const order = randomUUID()
    const name = newName('poison')
    let calls = 0
    await leased(name, [order], '1 ms')
    for (let attempt = 2; attempt <= 3; attempt++) {
      await pause(5)
      await shop.system.query(`SELECT shop.claim(ARRAY[$1], true, 1, 1, '{}', '1 ms')`, [name])
    }
    await running(handler(name, [on(Noted, async () => void calls++)], { attempts: 3 }), async () => {
      await until(async () => (await inbox(name, order))[0]!.status === 'dead')
      const [dead] = await inbox(name, order)
      expect(dead).toMatchObject({
        attempts: 3,
        error: expect.stringContaining('The process ended while it handled this event'),
      })
      expect(calls).toBe(0)
    })
  })

  it('takes up what a dead process left behind one by one, lest its neighbours die with what killed it', async () => {
    const orders = Array.from({ length: 5 }, () => randomUUID())
    const name = newName('left-behind')
    let [atOnce, most] = [0, 0]
    await leased(name, orders, '1 ms')
    const work = on(Noted, async ({ tx }, { data }) => {
      most = Math.max(most, ++atOnce)
      await note(tx, data.order, data.n)
      await pause(10)
      atOnce--
    })
    await running(handler(name, [work]), async () => {
      for (const order of orders) await comesToBe(order, '1 ')
    })
    expect(most).toBe(1)
  })

  it('leaves an event to a process that knows its handler', async () => {
    const order = randomUUID()
    const name = newName('moved')
    await received(name, [order])
    await running(handler(newName('another'), [on(Noted, async () => {})]), () => pause(300))
    expect((await shop.database.admin('SELECT attempts FROM shop.inbox_head WHERE handler = $1', [name]))[0]).toEqual({
      attempts: 0,
    })
    await running(handler(name, [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))]), () =>
      comesToBe(order, '1 '),
    )
  })

  it('waits for an earlier event that comes late', async () => {
    const order = randomUUID()
    let late: (() => void) | undefined
    const released = new Promise<void>((resolve) => {
      late = resolve
    })
    const transport = delaying(
      await shop.transport(),
      ({ body }) => body.includes(`"order":"${order}","n":1}`) || body.includes(`"n":1,"order":"${order}"`),
      released,
    )
    await running(
      handler(newName('waiting'), [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))]),
      async () => {
        await shop.emit(acme, { order, n: 1 }, { order, n: 2 }, { order, n: 3 })
        await until(
          async () =>
            (await shop.database.admin('SELECT FROM shop.inbox WHERE aggregate = $1', [`order/${order}`])).length >= 2,
        )
        await pause(200)
        expect(await shop.noted(acme, order)).toBe('')
        late!()
        await comesToBe(order, '1 2 3 ')
      },
      { transport },
    )
  })

  it('goes on after a bounded wait when the consumer is younger than the aggregate', async () => {
    const order = randomUUID()
    await running(
      handler(newName('old'), [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))]),
      async () => {
        await shop.emit(acme, { order, n: 1 }, { order, n: 2 })
        await comesToBe(order, '1 2 ')
      },
    )
    await running(
      handler(newName('young'), [on(Noted, ({ tx }, { data }) => note(tx, data.order, `young:${data.n}`))]),
      async () => {
        const began = performance.now()
        await shop.emit(acme, { order, n: 3 }, { order, n: 4 })
        await comesToBe(order, '1 2 young:3 young:4 ')
        expect(performance.now() - began).toBeGreaterThan(300)
      },
      { longestGap: 300 },
    )
  })

  it('does not wait for events that it does not handle', async () => {
    const order = randomUUID()
    const name = newName('choosy')
    await running(handler(name, [on(Noted, ({ tx }, { data }) => note(tx, data.order, data.n))]), async () => {
      await shop.emit(acme, { order, n: 1 })
      await shop.lanes.use(acme, (db) =>
        db.transaction(async (tx) => {
          tx.emit(Closed, { order })
          tx.emit(
            { prepare: () => ({ type: 'shop.NeverHeardOf', version: 1, aggregate: `order/${order}`, data: {} }) },
            {},
          )
          tx.emit(Noted, { order, n: 2 })
        }),
      )
      const began = performance.now()
      await comesToBe(order, '1 2 ')
      expect(performance.now() - began).toBeLessThan(8_000) // of the ten seconds that a gap is waited for
      expect((await inbox(name, order)).map(({ revision }) => Number(revision))).toEqual([1, 4])
    })
  })

  it('reads an older version through its upcaster', async () => {
    const order = randomUUID()
    await running(
      handler(newName('newer'), [on(priced(2), ({ tx }, { data }) => note(tx, data.order, (data as any).currency))]),
      async () => {
        await shop.lanes.use(acme, (db) => db.transaction(async (tx) => tx.emit(priced(1), { order })))
        await comesToBe(order, 'EUR ')
      },
    )
  })

  it('does not guess at a newer version: the event is dead, and replayed where it is known', async () => {
    const order = randomUUID()
    const name = newName('older')
    await running(
      handler(name, [on(priced(2), ({ tx }, { data }) => note(tx, data.order, 'guessed'))], { attempts: 2 }),
      async () => {
        await shop.lanes.use(acme, (db) =>
          db.transaction(async (tx) => tx.emit(priced(3), { order, currency: 'CHF', net: 1 } as any)),
        )
        await until(async () => (await inbox(name, order))[0]?.status === 'dead')
        expect((await inbox(name, order))[0]!.error).toContain(
          'shop.Priced came in version 3; this process knows it up to version 2',
        )
      },
    )
    await running(
      handler(name, [on(priced(3), ({ tx }, { data }) => note(tx, data.order, (data as any).currency))]),
      async () => {
        await revive(name, (await inbox(name, order))[0]!.id, false)
        await comesToBe(order, 'CHF ')
      },
    )
  })

  it('hands many events of one tenant to a batch handler, in the order of each aggregate', async () => {
    const orders: string[] = Array.from({ length: 6 }, () => randomUUID())
    const sizes: number[] = []
    const batches = batchHandler<{ order: string; n: number }, unknown>(
      newName('batch'),
      [Noted],
      async ({ tx, tenant }, events) => {
        const mine = events.filter(({ data }) => orders.includes(data.order))
        expect(new Set(events.map((event) => event.tenant))).toEqual(new Set([tenant]))
        if (mine.length > 0) sizes.push(mine.length)
        for (const { data } of mine) await note(tx, data.order, data.n)
      },
    )
    for (const tenant of [acme, globex])
      await shop.emit(tenant, ...[1, 2, 3, 4].flatMap((n) => orders.map((order) => ({ order, n }))))
    await running(batches, async () => {
      for (const order of orders) for (const tenant of [acme, globex]) await comesToBe(order, '1 2 3 4 ', tenant)
    })
    expect(Math.max(...sizes)).toBeGreaterThan(1)
  })

  it('finds the one in a batch that fails, and lets the others through', async () => {
    const orders = Array.from({ length: 4 }, () => randomUUID())
    const poison = orders[2]!
    const name = newName('batch-poison')
    const batches = batchHandler<{ order: string; n: number }, unknown>(
      name,
      [Noted],
      async ({ tx }, events) => {
        for (const { data } of events) await note(tx, data.order, data.n)
        if (events.some(({ data }) => data.order === poison && data.n === 2)) throw new Error('that one')
      },
      { attempts: 2 },
    )
    await shop.emit(acme, ...[1, 2, 3].flatMap((n) => orders.map((order) => ({ order, n }))))
    await running(batches, async () => {
      for (const order of orders) await comesToBe(order, order === poison ? '1 ' : '1 2 3 ')
      await until(async () => (await inbox(name, poison))[1]?.status === 'dead')
      expect((await inbox(name, poison)).map(({ status, attempts }) => [status, attempts])).toEqual([
        ['done', 0],
        ['dead', 2],
        ['pending', 0],
      ])
    })
  })

  it('lets no tenant hold all places, however slow its events are', async () => {
    const fast = randomUUID()
    const served = Promise.withResolvers<void>()
    const work = on(Noted, async ({ tx, tenant }, { data }) => {
      if (tenant === acme) await served.promise
      await note(tx, data.order, data.n)
    })
    await running(
      handler(newName('slow'), [work]),
      async () => {
        const slow = Array.from({ length: 12 }, () => ({ order: randomUUID(), n: 1 }))
        await shop.emit(acme, ...slow)
        await pause(200)
        await shop.emit(globex, { order: fast, n: 1 })
        await comesToBe(fast, '1 ', globex)
        served.resolve()
      },
      { concurrency: 4 },
    )
  })

  it('refuses two handlers with one name', async () => {
    const twice = handler('twice', [on(Noted, async () => {})])
    await expect(shop.start([twice, twice])).rejects.toThrow('two handlers with the name twice')
  })

  /** Puts an event for each order into the inbox of a handler, as the transport would. */
  async function received(name: string, orders: string[]): Promise<void> {
    const events = orders.map((order) => ({
      tenant_id: acme,
      handler: name,
      id: randomUUID(),
      source: 'shop',
      aggregate: `order/${order}`,
      revision: 1,
      after: 0,
      type: 'shop.Noted',
      version: 1,
      time: new Date().toISOString(),
      data: { order, n: 1 },
    }))
    await shop.system.query('SELECT shop.receive($1)', [JSON.stringify(events)])
  }

  /** The same, and a process has taken them to handle them. */
  async function leased(name: string, orders: string[], lease: string): Promise<any[]> {
    await received(name, orders)
    const claim = `SELECT * FROM shop.claim(ARRAY[$1], false, 10, 10, '{}', $2)`
    return (await shop.system.query(claim, [name, lease])).rows
  }
})

/** An event that has changed twice. */
function priced(version: 1 | 2 | 3) {
  const schemas = {
    1: z.object({ order: z.string() }),
    2: z.object({ order: z.string(), currency: z.string() }),
    3: z.object({ order: z.string(), currency: z.string(), net: z.int() }),
  }
  return defineEvent<z.ZodType<{ order: string }>>('shop.Priced', {
    version,
    aggregate: 'order',
    key: ({ order }) => order,
    data: schemas[version],
    upcast: { 1: (old) => ({ ...old, currency: 'EUR' }), 2: (old) => ({ ...old, net: 0 }) },
  })
}

/** Delivers what `late` chooses only once `released`. */
function delaying(transport: Transport, late: (message: Message) => boolean, released: Promise<void>): Transport {
  return {
    ...transport,
    subscribe: (consumer, sources, receive) =>
      transport.subscribe(consumer, sources, async (messages) => {
        const held = messages.filter(late)
        if (held.length > 0) void released.then(() => receive(held))
        await receive(messages.filter((message) => !late(message)))
      }),
  }
}
