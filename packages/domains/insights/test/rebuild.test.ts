import { rebuilt, tenantId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { insightsDomain } from '../src/domain.ts'
import { openWorld, type Shop, type World } from './world.ts'

let world: World
let acme: Shop
let globex: Shop
beforeAll(async () => {
  world = await openWorld({ seed: true })
  acme = world.shop('acme')
  globex = world.shop('globex')
  for (const shop of [acme, globex]) {
    const [pen, ink] = [await shop.product(100), await shop.product(250, 'USD')]
    const placed = [await shop.place([[pen, 1]]), await shop.place([[pen, 2]]), await shop.place([[ink, 3]])]
    await shop.place([[ink, 3]], 'pm_declined')
    await world.settled()
    await shop.orders.cancel({ id: placed[0]!.id })
    const [planted] = (await shop.orders.list({ first: 1, status: 'CONFIRMED', after: placed[0]!.id })).items
    await shop.orders.cancel({ id: planted!.id })
  }
  await world.settled()
})
afterAll(() => world.app.stop())

describe('rebuilding the projections', () => {
  it('gives what was there, the demo’s orders and what became of them included', async () => {
    const before = [await acme.shown(), await globex.shown()]
    expect(before).toEqual([await acme.expected(), await globex.expected()])
    expect(await rebuilt(world.app, insightsDomain)).toMatchObject({ tenants: 2 })
    expect([await acme.shown(), await globex.shown()]).toEqual(before)
  })

  it('mends what was wrong', async () => {
    const before = await acme.shown()
    const placed = await world.app.database.admin<{ id: string }>(
      `SELECT id FROM orders."order" WHERE status = 'CONFIRMED' AND idempotency_key NOT LIKE 'demo-%'`,
    )
    await world.app.database.admin(
      `UPDATE insights.order_overview SET status = 'CANCELLED', lines = '[]' WHERE id = ANY ($1::uuid[])`,
      [placed.map(({ id }) => id)],
    )
    const broken = [
      'UPDATE insights.revenue_day SET amount_minor = 1',
      'DELETE FROM insights.product_sales',
      'UPDATE insights.product_revenue SET amount_minor = amount_minor * 2',
    ]
    for (const sql of broken) await world.app.database.admin(sql)
    expect(await acme.shown()).not.toEqual(before)
    await rebuilt(world.app, insightsDomain)
    expect(await acme.shown()).toEqual(before)
    expect(await globex.shown()).toEqual(await globex.expected())
  })

  it('goes on with what happens meanwhile and after', async () => {
    const pen = await acme.product()
    const rebuilding = rebuilt(world.app, insightsDomain)
    for (let n = 0; n < 5; n++) await acme.place([[pen, 1]])
    await rebuilding
    await acme.place([[pen, 1]])
    await world.settled()
    expect(await acme.shown()).toEqual(await acme.expected())
  })

  it('keeps orders of which the history is no longer kept', async () => {
    const before = await acme.shown()
    for (const schema of ['orders.outbox', 'insights.inbox'])
      await world.app.database.admin(`DELETE FROM ${schema} WHERE tenant_id = $1`, [tenantId('acme')])
    await rebuilt(world.app, insightsDomain)
    expect(await acme.shown()).toEqual(before)
  })
})
