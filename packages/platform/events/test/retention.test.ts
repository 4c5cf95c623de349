import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { handler, on } from '../src/index.ts'
import { purge, purgeDeliveries } from '../src/retention.ts'
import { acme, globex, Noted, openShop, type Shop, until } from './shop.ts'

let shop: Shop
let system: pg.Pool
let carrier: pg.Pool
beforeAll(async () => {
  shop = await openShop()
  system = new pg.Pool({ connectionString: shop.database.urls.shop!.system, max: 2 })
  carrier = new pg.Pool({ connectionString: shop.database.urls.events!.serving, max: 2 })
})
afterAll(async () => {
  await system.end()
  await carrier.end()
  await shop.stop()
})

const count = async (table: string) => {
  const [{ n }] = (await shop.database.admin(`SELECT count(*)::int AS n FROM ${table}`)) as [{ n: number }]
  return n
}
/** Makes everything that is in the tables now `days` old. */
async function age(days: number): Promise<void> {
  const then = `now() - interval '${days} days'`
  const id = `(lpad(to_hex((extract(epoch FROM ${then}) * 1000)::bigint), 12, '0') || substr(replace(id::text, '-', ''), 13))::uuid`
  await shop.database.admin(
    `UPDATE shop.outbox SET id = ${id}, time = ${then}, published_at = CASE WHEN published_at IS NOT NULL THEN ${then} END;
     UPDATE shop.inbox SET id = ${id}, received_at = ${then}`,
  )
}

describe('keeping events', () => {
  it('for as long as it is promised, and no longer', async () => {
    const runtime = await shop.start([handler('notes', [on(Noted, async () => {})])])
    await shop.emit(acme, { order: randomUUID(), n: 1 })
    await shop.emit(globex, { order: randomUUID(), n: 1 })
    await until(async () => (await count(`shop.inbox WHERE status = 'done'`)) === 2)
    expect(await purge(system, 'shop', 1)).toBe(0)
    await runtime.stop()

    await age(2)
    expect(await purge(system, 'shop', 3)).toBe(0)
    await shop.emit(acme, { order: randomUUID(), n: 1 }) // nobody has published this one
    await age(4)
    expect(await purge(system, 'shop', 3)).toBe(4)
    expect(await count('shop.outbox WHERE published_at IS NULL')).toBe(1)
    expect(await count('shop.outbox')).toBe(1)
    expect(await count('shop.outbox_head')).toBe(3) // revisions go on from where they were
  })

  it('keeps what waits and what is dead', async () => {
    await shop.database.admin(
      `INSERT INTO shop.inbox (tenant_id, handler, id, source, aggregate, revision, after, type, version, time, status, received_at)
       SELECT '${acme}', 'notes', ('00000000-0000-7000-8000-00000000000' || n)::uuid, 'shop', 'order/' || n, 1, 0, 'shop.Noted', 1, now(), status, now() - interval '1 year'
       FROM unnest('{pending,done,dead,discarded}'::text[]) WITH ORDINALITY AS s (status, n)`,
    )
    expect(await purge(system, 'shop', 30)).toBe(2)
    const rows = await shop.database.admin(
      `SELECT status FROM shop.inbox WHERE received_at < now() - interval '30 days' ORDER BY 1`,
    )
    expect(rows.map(({ status }) => status)).toEqual(['dead', 'pending'])
  })

  it('forgets a consumer that has not shown up for a week, with what was kept for it', async () => {
    await shop.database.admin(
      `INSERT INTO events.subscription (source, consumer, seen_at) VALUES ('shop', 'gone', now() - interval '8 days'), ('shop', 'away', now() - interval '6 days');
       INSERT INTO events.delivery (tenant_id, consumer, id, body, signature)
       SELECT t, c, gen_random_uuid(), '', '' FROM unnest('{${acme},${globex}}'::uuid[]) t, unnest('{gone,away}'::text[]) c, generate_series(1, 1200)`,
    )
    expect(await purgeDeliveries(carrier)).toBe(2_400)
    expect(await count(`events.delivery WHERE consumer = 'away'`)).toBe(2_400)
    expect(await count(`events.subscription WHERE consumer = 'gone'`)).toBe(0)
  })
})
