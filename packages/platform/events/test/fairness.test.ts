import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { handler, on } from '../src/index.ts'
import { describeOverEachTransport } from './carriers.ts'
import { acme, globex, Noted, note, openShop, pause, type Shop, until } from './shop.ts'

/** `npm run test:faults` sets FAULTS and takes its time. */
const backlog = process.env.FAULTS ? 50_000 : 5_000
/** What may be handled before somebody else's event: far less than two processors do in a second, and however fast the machine is. */
const most = 500

describeOverEachTransport('fairness among tenants', (start) => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(await start())
  })
  afterAll(() => shop.stop())

  it(`an event of one tenant overtakes a backlog of ${backlog} of another: it waits for ${most} of them at most`, async () => {
    await shop.database.admin(
      `INSERT INTO shop.outbox (tenant_id, id, aggregate, revision, last_by_type, type, version, data)
       SELECT $1, id, 'order/' || id, 1, '{}', 'shop.Noted', 1, jsonb_build_object('order', id, 'n', 1)
       FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $2::int)) e`,
      [acme, backlog],
    )
    let handled = 0
    const work = on(Noted, async ({ tx, tenant }, { data }) => {
      await note(tx, data.order, data.n)
      if (tenant === acme) handled++
    })
    const runtime = await shop.start([handler('notes', [work])])
    await until(() => handled > 0)
    const waits: number[] = []
    for (let i = 0; i < 5; i++) {
      const order = randomUUID()
      const before = handled
      await shop.emit(globex, { order, n: 1 })
      await until(async () => (await shop.noted(globex, order)) === '1 ')
      waits.push(handled - before)
      await pause(backlog / 100)
    }
    await runtime.stop()
    expect(handled).toBeLessThan(backlog) // it was there all the time
    expect(Math.max(...waits)).toBeLessThan(most)
  })
})
