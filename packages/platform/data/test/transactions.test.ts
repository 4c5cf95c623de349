import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lane, LaneTransaction } from '../src/index.ts'
import { passGate } from '../src/migrate/placement.ts'
import { observedBy } from '../src/observed.ts'
import { openTransactions } from '../src/transactions.ts'
import { startProxy } from './shop/proxy.ts'
import { newTenant, openShop, type Shop, shopLanes } from './shop/shop.ts'
import type { PrismaClient } from './shop/src/generated/prisma/client.ts'

type Db = Lane<PrismaClient>

let shop: Shop
let admin: pg.Client
beforeAll(async () => {
  shop = await openShop({ transactionConnections: 4 })
  admin = new pg.Client(shop.database.adminUrl)
  await admin.connect()
})
afterAll(async () => {
  await admin.end()
  await shop.close()
})

const [ours, theirs] = [newTenant(), newTenant()]
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const inLane = <T>(work: (db: Db) => Promise<T>, tenant = ours) => shop.lanes.use(tenant, work)

/** What the lanes' connections do, as the database sees it. */
async function backends(state: string): Promise<number> {
  const { rows } = await admin.query(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name = 'offshoot shop' and state = $1`,
    [state],
  )
  return rows[0].n
}

let order: string
beforeEach(async () => {
  await inLane(async (db) => {
    await db.order.deleteMany()
    order = (await db.order.create({ data: { key: 'k' } })).id
  })
})

describe('a transaction', () => {
  it('commits what its work did when the work returns', async () => {
    const answer = await inLane((db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: 'a' } })
        await tx.order.create({ data: { key: 'b' } })
        return 'done'
      }),
    )
    expect(answer).toBe('done')
    expect(await inLane((db) => db.order.count())).toBe(3)
  })

  it('undoes everything when the work throws, and passes the error on as it is', async () => {
    const mistake = new Error('no')
    const outcome = inLane((db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: 'a' } })
        throw mistake
      }),
    )
    await expect(outcome).rejects.toBe(mistake)
    expect(await inLane((db) => db.order.count())).toBe(1)
  })

  it('sees and writes its own tenant only', async () => {
    const other = await inLane((db) => db.order.create({ data: { key: 'k', note: 'theirs' } }), theirs)
    await inLane((db) =>
      db.transaction(async (tx) => {
        expect(await tx.order.findMany()).toHaveLength(1)
        expect(await tx.order.findUnique({ where: { id: other.id } })).toBeNull()
        expect(await tx.order.lock(other.id)).toBeNull()
        expect(await tx.order.updateMany({ data: { note: 'x' } })).toEqual({ count: 1 })
        expect(await tx.$executeRaw`update shop."order" set note = 'y'`).toBe(1)
        await expect(tx.order.create({ data: { tenantId: theirs, key: 'k' } })).rejects.toThrow('its own tenant only')
        expect(tx.tenant).toBe(ours)
        expect('transaction' in tx && (() => (tx as unknown as Db).transaction(async () => {}))).toThrow(/open already/)
      }),
    )
    expect(await inLane((db) => db.order.findMany(), theirs)).toMatchObject([{ note: 'theirs' }])
    await inLane((db) => db.order.deleteMany(), theirs)
  })

  it('cannot be committed once a statement in it has failed', async () => {
    const outcome = inLane((db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: 'a' } })
        await tx.order.create({ data: { key: 'k' } }).catch(() => 'never mind')
      }),
    )
    await expect(outcome).rejects.toThrow(/could not be committed/)
    expect(await inLane((db) => db.order.count())).toBe(1)
    expect(await backends('idle in transaction (aborted)')).toBe(0)
  })

  it('is not committed while something in it still runs', async () => {
    let late: Promise<unknown> | undefined
    const outcome = inLane((db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: 'a' } })
        late = tx.order.create({ data: { key: 'b', lines: { create: { position: 1, sku: 'x' } } } }).catch(String)
      }),
    )
    await expect(outcome).rejects.toThrow(/Await everything/)
    await late
    expect(await inLane((db) => db.order.count())).toBe(1)
  })

  it('that is over sends nothing into the next one on its connection', async () => {
    const lanes = await shopLanes(shop.database.urls.shop!.serving, { transactionConnections: 1 })
    for (let delay = 0; delay < 6; delay++) {
      let late: Promise<unknown> | undefined
      const failed = lanes.use(ours, (db) =>
        db.transaction(async (tx) => {
          await tx.order.count()
          const lines = { create: [1, 2, 3].map((position) => ({ position, sku: 'late' })) }
          late = tx.order.create({ data: { key: 'late', lines }, include: { lines: true } }).catch(String)
          for (let i = 0; i < delay; i++) await new Promise(setImmediate)
          throw new Error('over')
        }),
      )
      const next = lanes.use(theirs, (db) =>
        db.transaction(async (tx) => {
          for (let i = 0; i < 5; i++) expect(await tx.order.count()).toBe(0)
        }),
      )
      await expect(failed).rejects.toThrow('over')
      await next
      await late
    }
    expect(await inLane((db) => db.order.count())).toBe(1)
    await lanes.close()
  })

  it('refuses its handle once it has ended', async () => {
    await inLane(async (db) => {
      const tx = await db.transaction(async (handle) => handle)
      shop.sent.length = 0
      await expect(tx.order.count()).rejects.toThrow(/revoked/)
      await expect(tx.order.lock(order)).rejects.toThrow(/revoked/)
      let failed!: typeof tx
      const undone = db.transaction(async (handle) => {
        failed = handle
        throw new Error('no')
      })
      await expect(undone).rejects.toThrow('no')
      await expect(failed.order.count()).rejects.toThrow(/revoked/)
      expect(shop.sent.filter(({ sql }) => !/^(BEGIN|ROLLBACK)$/.test(sql))).toEqual([])
      expect(await db.order.count()).toBe(1)
    })
  })

  it.each([
    [undefined, 'read committed'],
    ['ReadCommitted', 'read committed'],
    ['RepeatableRead', 'repeatable read'],
    ['Serializable', 'serializable'],
  ] as const)('runs at the isolation level that it asks for: %s', async (isolation, level) => {
    await inLane(async (db) => {
      const rows = await db.transaction(
        (tx) => tx.$queryRaw`select current_setting('transaction_isolation') as level`,
        {
          isolation,
        },
      )
      expect(rows).toEqual([{ level }])
    })
  })

  it('that collides with another says so, for the caller to try again', async () => {
    await inLane(async (db) => {
      let counted = 0
      const raise = (key: string) =>
        db.transaction(
          async (tx) => {
            const count = await tx.order.count()
            counted++
            while (counted < 2) await pause(1)
            await tx.order.create({ data: { key, note: String(count) } })
          },
          { isolation: 'Serializable' },
        )
      const outcomes = await Promise.allSettled([raise('a'), raise('b')])
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'UNAVAILABLE', reason: 'WRITE_CONFLICT' },
      })
    })
  })

  it('leaves nothing of its tenant on the connection', async () => {
    const lanes = await shopLanes(shop.database.urls.shop!.serving, { transactionConnections: 1 })
    for (const tenant of [ours, theirs, ours]) {
      await lanes.use(tenant, (db) => db.transaction((tx) => tx.order.count()))
      await lanes.use(tenant, (db) => db.transaction((tx) => tx.$queryRaw`select 1 / 0`)).catch(() => {})
      await lanes.use(tenant, (db) => db.transaction(async () => {}))
    }
    await lanes.close()
  })

  it('costs one round trip more than its statements', async () => {
    const proxy = await startProxy(new URL(shop.database.urls.shop!.serving))
    const lanes = await shopLanes(proxy.url, { transactionConnections: 1 })
    await lanes.use(ours, async (db) => {
      const two = () =>
        db.transaction(
          async (tx) => {
            await tx.order.count()
            await tx.order.count()
          },
          { isolation: 'RepeatableRead' },
        )
      await two()
      proxy.roundTrips = 0
      await two()
      expect(proxy.roundTrips).toBe(3) // BEGIN with the tenant and the first count; the second; COMMIT
      proxy.roundTrips = 0
      await db.transaction(async () => {})
      expect(proxy.roundTrips).toBe(0)
      proxy.roundTrips = 0
      await db.order.count()
      expect(proxy.roundTrips).toBe(1) // the tenant included
    })
    await lanes.close()
    proxy.close()
  })
})

describe('locking a row', () => {
  it('makes two who change the same thing take turns', async () => {
    const increment = (db: Db) =>
      db.transaction(async (tx) => {
        const locked = await tx.order.lock(order)
        await pause(5)
        await tx.order.update({ where: { id: order }, data: { note: String(Number(locked!.note) + 1) } })
      })
    await Promise.all(Array.from({ length: 10 }, () => inLane(increment)))
    expect(await inLane((db) => db.order.findUnique({ where: { id: order } }))).toMatchObject({ note: '10' })
  })

  it('answers null for a row that does not exist', async () => {
    expect(await inLane((db) => db.transaction((tx) => tx.order.lock(randomUUID())))).toBeNull()
  })

  it('is for tenant tables, inside a transaction', async () => {
    await inLane(async (db) => {
      await expect(db.order.lock(order)).rejects.toThrow(/inside a transaction/)
      await expect(db.transaction((tx) => tx.country.lock(order))).rejects.toThrow(/tenant tables/)
    })
  })
})

describe('an abandoned transaction', () => {
  it('is undone when its lane is handed back, and its connection is free at once, whatever it was doing', async () => {
    const abandoned = [...Array(3)].map(async () => {
      const lease = shop.lanes.open(ours)
      let begun!: () => void
      const began = new Promise<void>((resolve) => (begun = resolve))
      const outcome = lease.lane
        .transaction(async (tx) => {
          await tx.order.create({ data: { key: randomUUID() } })
          begun()
          await tx.$queryRaw`select pg_sleep(20)::text`
        })
        .then(
          () => 'committed',
          () => 'abandoned',
        )
      await began
      await pause(20)
      expect(lease.inTransaction).toBe(true)
      lease.close()
      return outcome
    })
    const began = performance.now()
    expect(await Promise.all(abandoned)).toEqual(Array(3).fill('abandoned'))
    await Promise.all([...Array(4)].map(() => inLane((db) => db.transaction((tx) => tx.order.count()))))
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(await inLane((db) => db.order.count())).toBe(1)
    await expect.poll(() => backends('active').then((n) => n)).toBe(0)
    expect(await backends('idle in transaction')).toBe(0)
  })

  it('does not come back to life in the next transaction on its connection', async () => {
    const lanes = await shopLanes(shop.database.urls.shop!.serving, { transactionConnections: 1 })
    const lease = lanes.open(ours)
    let keep!: (tx: LaneTransaction<PrismaClient>) => void
    const keeping = new Promise<LaneTransaction<PrismaClient>>((resolve) => {
      keep = resolve
    })
    const outcome = lease.lane
      .transaction(async (tx) => {
        await tx.order.count()
        keep(tx)
        await pause(100)
        await tx.order.create({ data: { key: 'late' } })
      })
      .catch((error) => error)
    const kept = await keeping
    lease.close()
    await lanes.use(theirs, (db) =>
      db.transaction(async (tx) => {
        await expect(kept.order.create({ data: { key: 'late' } })).rejects.toThrow(/revoked/)
        await pause(100)
        expect(await tx.order.count()).toBe(0)
      }),
    )
    expect(await outcome).toBeInstanceOf(Error)
    expect(await inLane((db) => db.order.count())).toBe(1)
    await lanes.close()
  })
})

describe('connections for transactions', () => {
  /** A transaction that holds its connection until told to stop. */
  function holding(tenant: Parameters<typeof shop.lanes.use>[0]) {
    let stop!: () => void
    const stopped = new Promise<void>((resolve) => (stop = resolve))
    let begun!: () => void
    const began = new Promise<void>((resolve) => (begun = resolve))
    const outcome = inLane(
      (db) =>
        db.transaction(async (tx) => {
          await tx.order.count()
          begun()
          await stopped
        }),
      tenant,
    )
    return { stop, began, outcome }
  }

  it('are waited for, but not for ever, and not all for one tenant', async () => {
    const held = [1, 2, 3].map(() => holding(ours)) // three quarters of four
    await Promise.all(held.map(({ began }) => began))
    const began = performance.now()
    let waiting = true
    const refused = expect(
      inLane((db) => db.transaction((tx) => tx.order.count())).finally(() => (waiting = false)),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const granted = inLane((db) => db.transaction((tx) => tx.order.count()), theirs)
    expect(await granted).toBe(0)
    expect(waiting).toBe(true)
    await refused
    expect(performance.now() - began).toBeGreaterThan(900)
    expect(performance.now() - began).toBeLessThan(6_000)
    for (const { stop } of held) stop()
    await Promise.all(held.map(({ outcome }) => outcome))
    expect(await inLane((db) => db.transaction((tx) => tx.order.count()))).toBe(1)
  })

  it('come to a tenant in turn, whatever another one has in the queue', async () => {
    let done = 0
    const storm = Array.from({ length: 60 }, () =>
      inLane((db) =>
        db.transaction(async (tx) => {
          await tx.order.count()
          await pause(20)
          done++
        }),
      ).catch(() => {}),
    )
    await pause(30)
    await inLane((db) => db.transaction((tx) => tx.order.count()), theirs)
    expect(done).toBeLessThan(30)
    await Promise.all(storm)
  })

  it('are taken from a transaction that stands still for too long', async () => {
    const outcome = inLane((db) =>
      db.transaction(async (tx) => {
        await tx.order.create({ data: { key: 'still' } })
        await admin.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`,
        ) // as idle_in_transaction_session_timeout does, only sooner
        await pause(20)
        await tx.order.count()
      }),
    )
    await expect(outcome).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await inLane((db) => db.order.count())).toBe(1)
    const { rows } = await inLane(async (db) => ({
      rows: await db.transaction(
        (tx) => tx.$queryRaw`select current_setting('idle_in_transaction_session_timeout') as idle,
                                    current_setting('statement_timeout') as statement`,
      ),
    }))
    expect(rows).toEqual([{ idle: '5s', statement: '2s' }])
  })

  it('are not used again with a transaction open, however it was left', async () => {
    const url = shop.database.urls.shop!.serving
    const transactions = openTransactions({ connectionString: url }, 1, observedBy('shop', url), {
      gate: passGate('shop'),
    })
    const left = await transactions.open(ours)
    await left.query({ text: 'BEGIN' })
    await left.query({ text: 'select 1' })
    left.release()
    const next = await transactions.open(theirs)
    await next.query({ text: 'BEGIN' })
    await expect(left.query({ text: 'select 1' })).rejects.toThrow(/has ended/)
    expect((await next.query({ text: 'select app.tid()', rowMode: 'array' } as never)).rows).toEqual([[theirs]])
    await next.query({ text: 'ROLLBACK' })
    next.release()
    await transactions.close()
  })
})
