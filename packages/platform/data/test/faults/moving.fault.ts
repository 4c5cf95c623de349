import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lanes } from '../../src/index.ts'
import { migrate, roleUrls } from '../../src/migrate/index.ts'
import { type MoveOptions, moveBack, moveData, purgeMove } from '../../src/move/index.ts'
import { openSystemPool, type SystemPool } from '../../src/system.ts'
import { emptyDatabase, TEST_APP_SECRET as secret, type TestDatabase } from '../../src/testing/index.ts'
import { customersOf } from '../shop/customers.ts'
import { newTenant, shop, shopLanes } from '../shop/shop.ts'
import type { PrismaClient } from '../shop/src/generated/prisma/client.ts'

type Home = Pick<TestDatabase, 'adminUrl' | 'admin' | 'drop'>

async function openHome(): Promise<Home> {
  const home = await emptyDatabase()
  await migrate({ adminUrl: home.adminUrl, domains: [shop], appSecret: secret })
  return home
}

const urlsOf = ({ adminUrl }: Home) => roleUrls(adminUrl, 'shop', secret)
const lanesOn = (home: Home) => shopLanes(urlsOf(home).serving, { secret })
const systemOn = (home: Home) => openSystemPool({ url: urlsOf(home).system, schema: 'shop', secret, audit() {} })
const moving = (from: Home, to?: Home, more: Partial<MoveOptions> = {}): MoveOptions => ({
  domain: shop,
  known: [from.adminUrl],
  to: to?.adminUrl,
  appSecret: secret,
  ...more,
})
const keysIn = async ({ admin }: Home) =>
  (await admin<{ key: string }>('SELECT key FROM shop."order" ORDER BY key')).map(({ key }) => key)
const stateOf = async ({ admin }: Home) =>
  (await admin<{ state: string }>('SELECT state FROM app.placement_shop'))[0]!.state
const leftovers = async ({ admin }: Home) =>
  (
    await admin<{ what: string }>(`
      SELECT 'publication ' || pubname AS what FROM pg_publication
      UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database()
      UNION ALL SELECT 'subscription ' || subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()
      UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname = current_database() || '_shop_mover'
      UNION ALL SELECT 'move ' || step FROM app.move UNION ALL SELECT 'mark ' || direction FROM app.move_mark`)
  ).map(({ what }) => what)

/** Databases that take part in a stream cannot be dropped. */
async function dropBoth(from: Home, to: Home): Promise<void> {
  await purgeMove(moving(from, to)).catch(() => {})
  await Promise.all([from.drop(), to.drop()])
}

describe('a domain that is in use', () => {
  let from: Home
  let to: Home
  let lanes: Lanes<PrismaClient>
  let system: SystemPool
  let idle: Lanes<PrismaClient>
  beforeAll(async () => {
    ;[from, to] = await Promise.all([openHome(), emptyDatabase()])
    ;[lanes, idle, system] = await Promise.all([lanesOn(from), lanesOn(from), systemOn(from)])
  })
  afterAll(async () => {
    await Promise.all([lanes.close(), idle.close(), system.close()])
    await dropBoth(from, to)
  })

  it('moves to another database and back, and nobody notices', { timeout: 60_000 }, async () => {
    const customers = customersOf(lanes, system)
    await pause(200)
    const there = await moveData(moving(from, to))
    expect(there).toMatchObject({ place: { url: expect.stringContaining(new URL(to.adminUrl).pathname) } })
    await pause(100)
    expect([await stateOf(from), await stateOf(to)]).toEqual(['moved', 'here'])
    const back = await moveBack(moving(from, to))
    await pause(100)
    await customers.stop()
    expect(customers.failures).toEqual([])
    expect(await keysIn(from)).toEqual(customers.written.toSorted())
    expect([await stateOf(from), await stateOf(to)]).toEqual(['here', 'moved'])
    expect([there.fence, back.fence]).toEqual([expect.any(Number), expect.any(Number)])
  })

  it('keeps what was left behind until it is purged, and can then be moved again', async () => {
    await expect(moveData(moving(from, to))).rejects.toMatchObject({ code: 'OTHER_MOVE' })
    expect((await keysIn(to)).length).toBeGreaterThan(0)
    await purgeMove(moving(from, to))
    expect(await to.admin(`SELECT FROM pg_namespace WHERE nspname = 'shop'`)).toEqual([])
    expect([await leftovers(from), await leftovers(to)]).toEqual([[], []])
    await moveData(moving(from, to))
    expect((await moveData(moving(from, to))).fence).toBeUndefined() // once more does no harm
  })

  const ask = async (url: string, ...statements: string[]) => {
    const client = new pg.Client(url)
    await client.connect()
    try {
      for (const statement of statements) await client.query(statement)
    } finally {
      await client.end()
    }
  }
  const tenant = newTenant()
  const enter = `SELECT set_config('app.tenant_id', '${tenant}', false)`

  it.each([
    ['reads', 'SELECT FROM shop."order"'],
    [
      'writes',
      `INSERT INTO shop."order" (tenant_id, id, key) VALUES ('${tenant}', gen_random_uuid(), gen_random_uuid())`,
    ],
    ['passes the gate', 'BEGIN; LOCK TABLE app.placement_shop IN ROW EXCLUSIVE MODE'],
  ])('refuses in the old place whoever %s', async (_, statement) => {
    for (const url of Object.values(urlsOf(from)))
      await expect(ask(url, enter, statement)).rejects.toMatchObject({ code: '42501' })
    for (const url of Object.values(urlsOf(to))) await ask(url, enter, statement)
  })

  it('lets none of its roles say where it is', async () => {
    for (const home of [from, to])
      for (const url of Object.values(urlsOf(home)))
        for (const statement of [
          'UPDATE app.placement_shop SET moved_to = NULL',
          'INSERT INTO app.placement_shop (here) VALUES (true) ON CONFLICT DO NOTHING',
          'DELETE FROM app.placement_shop',
          'BEGIN; LOCK TABLE app.placement_shop IN ROW EXCLUSIVE MODE; DROP TABLE app.placement_shop',
          'SELECT FROM app.move',
        ])
          await expect(ask(url, statement)).rejects.toMatchObject({ code: '42501' })
  })

  it('leaves no password in the databases', async () => {
    const passwords = [from, to].flatMap((home) => Object.values(urlsOf(home)).map((url) => new URL(url).password))
    const admin = new URL(from.adminUrl).password
    const rows = JSON.stringify(
      await Promise.all(
        [from, to].flatMap(({ admin }) => [
          admin('TABLE app.placement_shop'),
          admin('TABLE app.move'),
          admin('TABLE app.domain'),
        ]),
      ),
    )
    for (const password of [...passwords, admin].filter(Boolean)) expect(rows).not.toContain(password)
  })

  it('is gone from the old place once that is purged', async () => {
    await purgeMove(moving(from, to))
    expect(await from.admin(`SELECT FROM pg_namespace WHERE nspname = 'shop'`)).toEqual([])
    expect([await leftovers(from), await leftovers(to)]).toEqual([[], []])
  })

  it('is followed by whoever comes late', async () => {
    const keys = await keysIn(to)
    const tenant = newTenant()
    expect(await idle.global.country.count()).toBeGreaterThan(0) // has done nothing since the first move
    const late = await lanesOn(from)
    await late.use(tenant, (db) => db.order.create({ data: { key: 'late' } }))
    await late.close()
    expect(await keysIn(to)).toEqual([...keys, 'late'].sort())
  })

  it('is not followed without the secret that passwords derive from', async () => {
    const lanes = await shopLanes(urlsOf(from).serving)
    await expect(lanes.use(newTenant(), (db) => db.order.count())).rejects.toThrow()
    await lanes.close()
  })

  it('is migrated where it is', async () => {
    const migrating = (home: Home) => migrate({ adminUrl: home.adminUrl, domains: [shop], appSecret: secret })
    await expect(migrating(from)).rejects.toMatchObject({ code: 'MOVED' })
    expect(await migrating(to)).toEqual([])
  })
})

describe('a move is refused', () => {
  let from: Home
  let to: Home
  beforeAll(async () => {
    ;[from, to] = await Promise.all([openHome(), emptyDatabase()])
  })
  afterAll(() => Promise.all([from.drop(), to.drop()]))
  const untouched = async () => {
    expect(await stateOf(from)).toBe('here')
    expect(await leftovers(from)).toEqual([])
  }

  it('to where the domain is', async () => {
    await expect(moveData(moving(from, from))).rejects.toMatchObject({ code: 'SAME_DATABASE' })
    const other = new URL(from.adminUrl)
    other.hostname = 'localhost'
    await expect(moveData(moving(from, from, { to: other.href }))).rejects.toMatchObject({ code: 'SAME_DATABASE' })
    await untouched()
  })

  it('to a database that does not answer, or does not exist', async () => {
    for (const to of ['postgres://x@127.0.0.1:1/x', from.adminUrl.replace(/[^/]*$/, 'nowhere')])
      await expect(moveData(moving(from, undefined, { to }))).rejects.toMatchObject({ code: 'UNREACHABLE' })
    await untouched()
  })

  it('to a database that has other data of the domain', async () => {
    const other = await openHome()
    await other.admin(`INSERT INTO shop.country (code, name) VALUES ('XX', 'elsewhere')`)
    await expect(moveData(moving(from, other))).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' })
    await untouched()
    expect(await stateOf(other)).toBe('here')
    await other.drop()
  })

  it('by somebody who is no superuser', async () => {
    const [{ database } = { database: '' }] = await to.admin<{ database: string }>(
      'SELECT current_database() AS database',
    )
    await to.admin(
      `CREATE ROLE "${database}_weak" LOGIN CREATEROLE PASSWORD 'weak'; ALTER DATABASE "${database}" OWNER TO "${database}_weak"`,
    )
    const url = new URL(to.adminUrl)
    url.username = `${database}_weak`
    url.password = 'weak'
    await expect(moveData(moving(from, undefined, { to: url.href }))).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    await untouched()
    await to.admin(`ALTER DATABASE "${database}" OWNER TO postgres; DROP ROLE "${database}_weak"`)
  })

  it('of what has not been migrated', async () => {
    const bare = await emptyDatabase()
    await expect(moveData(moving(bare, to))).rejects.toMatchObject({ code: 'NOT_MIGRATED' })
    await bare.drop()
  })

  it('of what streams do not carry', async () => {
    await from.admin('CREATE SEQUENCE shop.number')
    await expect(moveData(moving(from, to))).rejects.toMatchObject({
      code: 'NOT_MOVABLE',
      message: expect.stringContaining('number'),
    })
    await from.admin('DROP SEQUENCE shop.number')
    await untouched()
  })

  it('back, or purged, where nothing has moved', async () => {
    await expect(moveBack(moving(from, to))).rejects.toMatchObject({ code: 'NO_MOVE' })
    await expect(purgeMove(moving(from, to))).rejects.toMatchObject({ code: 'NO_MOVE' })
    await expect(moveData(moving(from))).rejects.toMatchObject({ code: 'WHERE' })
  })

  it('while another process moves the domain', async () => {
    const busy = new pg.Client(from.adminUrl)
    await busy.connect()
    await busy.query(`SELECT pg_advisory_lock(hashtext('offshoot move shop'))`)
    await expect(moveData(moving(from, to))).rejects.toMatchObject({ code: 'MOVE_RUNNING' })
    await busy.end()
    await untouched()
  })
})

describe('a move that has begun', () => {
  let from: Home
  let to: Home
  beforeAll(async () => {
    ;[from, to] = await Promise.all([openHome(), emptyDatabase()])
    await from.admin(`INSERT INTO shop.country (code, name) VALUES ('AA', 'first')`)
  })
  afterAll(() => dropBoth(from, to))
  const until = (step: string, text = '') => ({
    report(progress: { step: string; text: string }) {
      if (progress.step === step && progress.text.includes(text)) throw new Error(`stopped at ${step}`)
    },
  })

  it('serves nobody in the new place, and goes nowhere else', async () => {
    await expect(moveData(moving(from, to, until('switch')))).rejects.toThrow('stopped')
    expect([await stateOf(from), await stateOf(to)]).toEqual(['here', 'arriving'])
    await expect(lanesOn(to)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const third = await emptyDatabase()
    await expect(moveData(moving(from, third))).rejects.toMatchObject({ code: 'OTHER_MOVE' })
    await expect(purgeMove(moving(from, to))).rejects.toMatchObject({ code: 'OTHER_MOVE' })
    await third.drop()
  })

  it('stops where a row does not fit, and goes on when that is put right', async () => {
    await moveBack(moving(from, to))
    await expect(moveData(moving(from, to, until('copy')))).rejects.toThrow('stopped')
    await to.admin(`INSERT INTO shop.country (code, name) VALUES ('AA', 'in the way')`)
    await expect(moveData(moving(from, to))).rejects.toMatchObject({ code: 'STREAM_STOPPED' })
    expect(await stateOf(from)).toBe('here')
    await to.admin('DELETE FROM shop.country')
    await expect(moveData(moving(from, to, until('switch')))).rejects.toThrow('stopped')
  })

  it('finds out when the two sides differ, and leaves the domain where it is', async () => {
    await to.admin(`UPDATE shop.country SET name = 'another' WHERE code = 'AA'`)
    await expect(moveData(moving(from, to))).rejects.toMatchObject({
      code: 'DIFFERENT',
      message: expect.stringContaining('shop.country'),
    })
    expect(await stateOf(from)).toBe('here')
  })

  it('is taken back without a trace', async () => {
    await moveBack(moving(from, to))
    expect([await leftovers(from), await leftovers(to)]).toEqual([[], []])
    expect(await to.admin(`SELECT FROM pg_namespace WHERE nspname = 'shop'`)).toEqual([])
  })

  it('gives way to a transaction that takes long, and tries again', async () => {
    const lanes = await lanesOn(from)
    const said: string[] = []
    let long: Promise<unknown> | undefined
    const slowly = () =>
      lanes.use(newTenant(), (db) =>
        db.transaction(async (tx) => {
          await tx.order.count()
          await pause(600)
          await tx.order.create({ data: { key: 'slow' } })
        }),
      )
    await moveData(
      moving(from, to, {
        report({ text }) {
          said.push(text)
          if (text === 'holding writers back') long = slowly()
        },
      }),
    )
    await long
    await lanes.close()
    expect(said).toContainEqual(expect.stringContaining('no moment without writing yet'))
    expect(await to.admin('SELECT name FROM shop.country')).toEqual([{ name: 'first' }])
    expect(await keysIn(to)).toEqual(['slow'])
  })

  it('lets nobody change the structure, which streams do not carry', async () => {
    await to.admin(
      `DELETE FROM shop._prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM shop._prisma_migrations)`,
    )
    const migrating = migrate({ adminUrl: to.adminUrl, domains: [shop], appSecret: secret })
    await expect(migrating).rejects.toMatchObject({ code: 'MOVING' })
  })
})
