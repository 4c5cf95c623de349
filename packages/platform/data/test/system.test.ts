import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSystem, type System, type SystemUse } from '../src/system.ts'
import { type TestDatabase, testDatabase } from '../src/testing/index.ts'
import { shop } from './shop/shop.ts'
import { PrismaClient } from './shop/src/generated/prisma/client.ts'

const acme = '018f0000-0000-7000-8000-00000000000a'
const globex = '018f0000-0000-7000-8000-00000000000b'

describe('work that spans tenants', () => {
  let database: TestDatabase
  let system: System<PrismaClient>
  const uses: SystemUse[] = []
  const opened = (url: string) =>
    openSystem({
      url,
      schema: 'shop',
      prisma: (adapter) => new PrismaClient({ adapter }),
      audit: (use) => uses.push(use),
    })

  beforeAll(async () => {
    database = await testDatabase([shop])
    system = await opened(database.urls.shop!.system)
    const db = system('orders to begin with')
    await db.order.createMany({
      data: [
        { tenantId: acme, key: 'a' },
        { tenantId: globex, key: 'b' },
      ],
    })
  })
  afterAll(async () => {
    await system.close()
    await database.drop()
  })

  it('sees the rows of every tenant', async () => {
    const orders = await system('count orders').order.findMany({ orderBy: { key: 'asc' } })
    expect(orders.map(({ tenantId, key }) => [tenantId, key])).toEqual([
      [acme, 'a'],
      [globex, 'b'],
    ])
  })

  it('puts every use on record: why, when, which process, which connections', async () => {
    uses.length = 0
    const { order } = system('relay of the outbox')
    const [{ application_name: applicationName }] = await system('look at itself').$queryRaw<
      [{ application_name: string }]
    >`select current_setting('application_name') as application_name`
    expect(await order.count()).toBe(2)
    expect(uses.map(({ reason }) => reason)).toEqual(['relay of the outbox', 'look at itself'])
    expect(uses[0]).toMatchObject({ domain: 'shop', pid: process.pid, applicationName })
    expect(uses[0]!.role).toMatch(/_shop_system$/)
    expect(Date.parse(uses[0]!.at)).toBeCloseTo(Date.now(), -4)
  })

  it('refuses to work without a reason, and when the use cannot be put on record', async () => {
    expect(() => system('  ')).toThrow(/needs a reason/)
    const unrecorded = await openSystem({
      url: database.urls.shop!.system,
      schema: 'shop',
      prisma: (adapter) => new PrismaClient({ adapter }),
      audit: () => {
        throw new Error('the log is full')
      },
    })
    expect(() => unrecorded('export')).toThrow('the log is full')
    await unrecorded.close()
  })

  it('never guesses a tenant: a row without one is an error', async () => {
    await expect(system('write for nobody').order.create({ data: { key: 'c' } })).rejects.toThrow(/app\.tenant_id/)
  })

  it('reaches the tables of its own domain only, and cannot lift row security', async () => {
    const db = system('try more than allowed')
    await expect(db.$queryRaw`select * from app.domain`).rejects.toThrow(/permission denied/)
    await expect(db.$executeRaw`alter table shop."order" disable row level security`).rejects.toThrow(/must be owner/)
    await expect(db.$executeRaw`truncate shop."order"`).rejects.toThrow(/permission denied/)
  })

  it('refuses a superuser, an owner and a role that bypasses row security', async () => {
    const admin = new pg.Client(database.adminUrl)
    await admin.connect()
    const role = async (name: string, rights: string) => {
      await admin.query(`DROP ROLE IF EXISTS ${name}; CREATE ROLE ${name} LOGIN PASSWORD 'p' ${rights}`)
      const databaseName = new URL(database.adminUrl).pathname.slice(1)
      await admin.query(`GRANT CONNECT ON DATABASE ${databaseName} TO ${name}`)
      const url = new URL(database.adminUrl)
      Object.assign(url, { username: name, password: 'p' })
      return url.href
    }
    await expect(opened(database.adminUrl)).rejects.toThrow(/is a superuser/)
    const suffix = new URL(database.adminUrl).pathname.slice(1)
    await expect(opened(await role(`bypass_${suffix}`, 'BYPASSRLS'))).rejects.toThrow(/BYPASSRLS/)
    const owner = await role(`owner_${suffix}`, '')
    await admin.query(`ALTER TABLE shop.country OWNER TO owner_${suffix}`)
    await expect(opened(owner)).rejects.toThrow(/owns shop\.country/)
    await admin.query(`DROP OWNED BY owner_${suffix}, bypass_${suffix}; DROP ROLE owner_${suffix}, bypass_${suffix}`)
    await admin.end()
  })

  it('sees nothing as the serving role', async () => {
    const serving = await opened(database.urls.shop!.serving)
    await expect(serving('the wrong URL').order.findMany()).rejects.toThrow(/app\.tenant_id|tenant/)
    await serving.close()
  })
})
