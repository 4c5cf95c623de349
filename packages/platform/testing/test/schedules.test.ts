import type { Lane } from '@offshoot/data'
import type { Schedule, ScheduleContext } from '@offshoot/host'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrismaClient } from '../../data/test/shop/src/generated/prisma/client.ts'
import { type TestApp, tenantId, testApp } from '../src/index.ts'
import { shop, shopDomain } from './shop.ts'

let app: TestApp
/** What the schedule does, in the test that runs. */
let work: (context: ScheduleContext<PrismaClient>) => Promise<void>

beforeAll(async () => {
  const schedules: Schedule<PrismaClient>[] = [{ name: 'tidy', cron: '* * * * *', run: (context) => work(context) }]
  app = await testApp([
    shopDomain(
      async ({ db }, { key }) => {
        await db.order.create({ data: { key } })
        return { keys: [] }
      },
      { schedules },
    ),
  ])
  await app.client(shop).run({ key: 'of acme' })
  await app.client(shop, { tenant: 'globex' }).run({ key: 'of globex' })
})
afterAll(() => app.stop())

describe('the work of a schedule', () => {
  it('sees all tenants by a handle whose use goes on record, and writes for one at a time', async () => {
    work = async ({ system, enter }) => {
      const orders = await system('orders are tidied').order.findMany({ orderBy: { key: 'asc' } })
      expect(orders.map(({ key }) => key)).toEqual(['of acme', 'of globex'])
      for (const { tenantId, id } of orders)
        await enter(tenantId as never).order.update({ where: { id }, data: { note: 'tidy' } })
      expect(await enter(tenantId('acme')).order.count()).toBe(1)
    }
    await app.host.runSchedule('shop.tidy')
    expect(await app.database.admin('SELECT note FROM shop."order"')).toEqual([{ note: 'tidy' }, { note: 'tidy' }])
    expect(app.logged.map((line) => JSON.parse(line).use?.reason)).toContain('orders are tidied')
  })

  it('has no data any more when it is over', async () => {
    let kept: Lane<PrismaClient> | undefined
    let late: ScheduleContext<PrismaClient>['enter'] | undefined
    work = async ({ enter }) => {
      kept = enter(tenantId('acme'))
      late = enter
    }
    await app.host.runSchedule('shop.tidy')
    await expect(kept!.order.count()).rejects.toThrow('revoked')
    expect(() => late!(tenantId('acme'))).toThrow('is over')
  })

  it('fails towards whoever runs it by hand, who is told what there is', async () => {
    work = () => Promise.reject(new Error('no'))
    await expect(app.host.runSchedule('shop.tidy')).rejects.toThrow('no')
    await expect(app.host.runSchedule('shop.nothing')).rejects.toThrow('shop.tidy')
  })
})
