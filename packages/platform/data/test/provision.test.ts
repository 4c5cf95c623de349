import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  checkCatalog,
  createMigration,
  databaseOf,
  domainRoles,
  migrate,
  provision,
  reset,
  roleUrls,
  status,
} from '../src/migrate/index.ts'
import { TEST_APP_SECRET as appSecret, emptyDatabase } from '../src/testing/index.ts'
import { domainFolder } from './domain-folder.ts'

const acme = '0190b7c0-0000-7000-8000-00000000000a'
const globex = '0190b7c0-0000-7000-8000-00000000000b'
const shop = domainFolder()
const stock = domainFolder('stock')
stock.writeMigration(
  '20260101000000_init',
  `CREATE TABLE item (tenant_id uuid NOT NULL DEFAULT app.tid(), id uuid NOT NULL, PRIMARY KEY (tenant_id, id));
   CREATE TABLE log (tenant_id uuid NOT NULL DEFAULT app.tid(), id uuid NOT NULL, PRIMARY KEY (tenant_id, id));
   SELECT app.tenant_table('item');
   SELECT app.tenant_table('log', append_only => true);
   CREATE FUNCTION tenants_of(item uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$ SELECT tenant_id FROM stock.item WHERE id = $1 $$;
   SELECT app.definer_function('tenants_of(uuid)', 'item');`,
)
const domains = [shop, { ...stock, definerFunctions: { tenants_of: 'for tests' } }]

/** Runs statements as one client, in one transaction where they begin one. */
async function as(url: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const sql of statements) rows = (await client.query(sql)).rows
    return rows
  } finally {
    await client.end()
  }
}

const inTenant = (tenant: string) => ['BEGIN', `SELECT app.enter('${tenant}')`]
const order = (tenant: string, key: string) =>
  `INSERT INTO shop."order" (tenant_id, id, key) VALUES ('${tenant}', gen_random_uuid(), '${key}')`

describe('the roles of a domain', () => {
  let database: Awaited<ReturnType<typeof emptyDatabase>>
  let serving: string
  let system: string

  beforeAll(async () => {
    database = await emptyDatabase()
    await migrate({ adminUrl: database.adminUrl, domains, appSecret })
    const urls = roleUrls(database.adminUrl, 'shop', appSecret)
    serving = urls.serving
    system = urls.system
    await as(serving, ...inTenant(acme), order(acme, 'a'), 'COMMIT')
    await as(serving, ...inTenant(globex), order(globex, 'g'), 'COMMIT')
  })
  afterAll(() => database.drop())

  const keys = 'SELECT key FROM shop."order" ORDER BY key'

  it('serve one tenant at a time', async () => {
    expect(await as(serving, ...inTenant(acme), keys)).toEqual([{ key: 'a' }])
    expect(await as(serving, ...inTenant(globex), keys)).toEqual([{ key: 'g' }])
    await expect(as(serving, ...inTenant(acme), order(globex, 'x'))).rejects.toThrow('row-level security policy')
    await expect(as(serving, ...inTenant(acme), `UPDATE shop."order" SET tenant_id = '${globex}'`)).rejects.toThrow(
      'row-level security policy',
    )
  })

  it('get an error without a tenant, never an empty answer', async () => {
    await expect(as(serving, keys)).rejects.toMatchObject({ code: '42704' })
    await expect(as(serving, ...inTenant(acme), 'COMMIT', keys)).rejects.toMatchObject({ code: '22P02' })
  })

  it('stay in the tenant that a transaction entered', async () => {
    await expect(as(serving, ...inTenant(acme), `SELECT app.enter('${globex}')`)).rejects.toMatchObject({
      code: 'OF001',
    })
    await expect(as(serving, 'BEGIN', 'SELECT app.enter(NULL)')).rejects.toMatchObject({ code: 'OF001' })
  })

  it('see all tenants for work that spans them, by a role of its own', async () => {
    expect(await as(system, keys)).toEqual([{ key: 'a' }, { key: 'g' }])
  })

  it.each([
    ['read another domain', 'SELECT * FROM stock.item'],
    ['call the functions of another domain', 'SELECT stock.tenants_of(gen_random_uuid())'],
    ['read the history of migrations', 'SELECT * FROM shop._prisma_migrations'],
    ['read the list of domains', 'SELECT * FROM app.domain'],
    ['create tables', 'CREATE TABLE shop.mine (id int)'],
    ['create temporary tables', 'CREATE TEMPORARY TABLE mine (id int)'],
    ['create schemas', 'CREATE SCHEMA mine'],
    ['empty a table, which row security does not stop', 'TRUNCATE shop."order"'],
    ['switch row security off', 'ALTER TABLE shop."order" DISABLE ROW LEVEL SECURITY'],
    ['write a policy', 'CREATE POLICY mine ON shop."order" USING (true)'],
    ['classify tables', `SELECT app.tenant_table('shop."order"')`],
  ])('cannot %s', async (_, sql) => {
    for (const url of [serving, system]) {
      await expect(as(url, ...inTenant(acme), sql)).rejects.toMatchObject({ code: expect.stringMatching('42501') })
    }
  })

  it('cannot become one another', async () => {
    const { serving: shopRole, system: systemRole, definer } = domainRoles(databaseOf(database.adminUrl), 'shop')
    for (const other of [systemRole, definer, 'postgres']) {
      await expect(as(serving, `SET ROLE "${other}"`)).rejects.toMatchObject({ code: '42501' })
    }
    await expect(as(system, `SET ROLE "${shopRole}"`)).rejects.toMatchObject({ code: '42501' })
  })

  it('may add to an append-only table, and change nothing in it', async () => {
    const url = roleUrls(database.adminUrl, 'stock', appSecret).serving
    const insert = 'INSERT INTO stock.log (id) VALUES (gen_random_uuid()) RETURNING tenant_id'
    expect(await as(url, ...inTenant(acme), insert)).toEqual([{ tenant_id: acme }])
    await expect(as(url, ...inTenant(acme), 'DELETE FROM stock.log')).rejects.toMatchObject({ code: '42501' })
    await expect(as(url, ...inTenant(acme), 'UPDATE stock.log SET id = id')).rejects.toMatchObject({ code: '42501' })
  })

  it('read before a tenant is known by a function alone, and by it the named tables alone', async () => {
    const url = roleUrls(database.adminUrl, 'stock', appSecret).serving
    const item = '0190b7c0-0000-7000-8000-000000000001'
    await as(url, ...inTenant(acme), `INSERT INTO stock.item (id) VALUES ('${item}')`, 'COMMIT')
    expect(await as(url, `SELECT stock.tenants_of('${item}') AS tenant`)).toEqual([{ tenant: acme }])
    await expect(as(url, `SELECT * FROM stock.item WHERE id = '${item}'`)).rejects.toMatchObject({ code: '42704' })
  })

  it('are named for their database, since roles belong to the whole server', () => {
    const name = databaseOf(database.adminUrl)
    expect(domainRoles(name, 'shop')).toEqual({
      serving: `${name}_shop`,
      system: `${name}_shop_system`,
      definer: `${name}_shop_definer`,
    })
  })

  it('cannot connect to another database', async () => {
    const other = await emptyDatabase()
    await migrate({ adminUrl: other.adminUrl, domains: [shop], appSecret })
    const url = new URL(serving)
    url.pathname = new URL(other.adminUrl).pathname
    await expect(as(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '42501' })
    await other.drop()
  })

  it('take new passwords when the secret changes, and only then', async () => {
    await provision(database.adminUrl, domains, appSecret)
    expect(await as(serving, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    const before = await verifier()
    const rotated = `${appSecret}-rotated`
    await provision(database.adminUrl, domains, rotated)
    expect(await verifier()).not.toBe(before)
    expect(await as(roleUrls(database.adminUrl, 'shop', rotated).serving, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await provision(database.adminUrl, domains, appSecret)
    expect(await verifier()).toBe(before)
  })

  async function verifier(): Promise<unknown> {
    const name = domainRoles(databaseOf(database.adminUrl), 'shop').serving
    const [row] = await as(database.adminUrl, `SELECT rolpassword FROM pg_authid WHERE rolname = '${name}'`)
    return row!.rolpassword
  }

  it('are refused when someone gave them more than a domain may have', async () => {
    const name = domainRoles(databaseOf(database.adminUrl), 'shop').serving
    await as(database.adminUrl, `ALTER ROLE "${name}" CREATEROLE`)
    await expect(provision(database.adminUrl, domains, appSecret)).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    await as(database.adminUrl, `ALTER ROLE "${name}" NOCREATEROLE`)
  })
})

describe('provisioning', () => {
  it('may run again and at once', async () => {
    const { adminUrl, drop } = await emptyDatabase()
    await Promise.all([1, 2, 3].map(() => provision(adminUrl, domains, appSecret)))
    expect(await checkCatalog(adminUrl, [{ ...stock, globalTables: {} }])).toEqual([])
    await drop()
  })

  it.each([
    ['of 63 bytes', (id: string) => `a_database_with_a_name_that_is_as_long_as_postgresql_accepts_`.slice(0, 55) + id],
    ['with spaces, quotes and umlauts', (id: string) => `Bücher "neu" ${id}`],
  ])('copes with a name of a database %s', async (_, nameOf) => {
    const home = await emptyDatabase()
    const names = [1, 2].map(() => nameOf(randomBytes(4).toString('hex')))
    const roles = names.flatMap((name) => Object.values(domainRoles(name, 'shop')))
    expect(new Set(roles).size).toBe(6)
    for (const role of roles) expect(Buffer.byteLength(role)).toBeLessThanOrEqual(63)

    const [name] = names as [string]
    await as(home.adminUrl, `CREATE DATABASE ${pg.escapeIdentifier(name)}`)
    const url = new URL(home.adminUrl)
    url.pathname = `/${encodeURIComponent(name)}`
    try {
      await migrate({ adminUrl: url.href, domains: [shop], appSecret })
      const urls = roleUrls(url.href, 'shop', appSecret)
      expect(await as(urls.serving, ...inTenant(acme), 'SELECT key FROM shop."order"')).toEqual([])
      expect(await checkCatalog(url.href, [shop])).toEqual([])
    } finally {
      await as(home.adminUrl, `DROP DATABASE ${pg.escapeIdentifier(name)} WITH (FORCE)`)
      await home.drop()
    }
  })
})

describe('an administrator who is no superuser but owns the database and may create roles', () => {
  const name = `owner_${randomBytes(4).toString('hex')}`
  let home: Awaited<ReturnType<typeof emptyDatabase>>
  let adminUrl: string

  beforeAll(async () => {
    home = await emptyDatabase()
    await as(
      home.adminUrl,
      `CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD 'owner'`,
      `CREATE DATABASE ${name} OWNER ${name}`,
    )
    const url = new URL(home.adminUrl)
    Object.assign(url, { username: name, password: 'owner', pathname: `/${name}` })
    adminUrl = url.href
  })
  afterAll(async () => {
    const roles = domains.flatMap((domain) => Object.values(domainRoles(name, domain.name)))
    await as(
      home.adminUrl,
      `DROP DATABASE ${name} WITH (FORCE)`,
      ...roles.map((role) => `DROP ROLE "${role}"`),
      `DROP ROLE ${name}`,
    )
    await home.drop()
  })

  it('migrates, and what it makes is as a superuser would make it', async () => {
    await migrate({ adminUrl, domains, appSecret })
    await migrate({ adminUrl, domains, appSecret })
    expect(await checkCatalog(adminUrl, domains)).toEqual([])
    const { serving } = roleUrls(adminUrl, 'shop', appSecret)
    expect(await as(serving, ...inTenant(acme), 'SELECT key FROM shop."order"')).toEqual([])
    expect(await status({ adminUrl, domains })).toMatchObject([{ problems: [] }, { problems: [] }])
  })

  it('is told of rows that a policy hides from it, rather than leave them as they were', async () => {
    const { serving } = roleUrls(adminUrl, 'shop', appSecret)
    await as(serving, ...inTenant(acme), order(acme, 'a'), 'COMMIT')
    const domain = domainFolder()
    domain.writeMigration('20260102000000_rewrite', `UPDATE "order" SET note = 'rewritten'`)
    await expect(migrate({ adminUrl, domains: [domain], appSecret })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
    })
  })

  it('writes migrations, without the right to create databases', async () => {
    const domain = domainFolder()
    domain.editSchema((schema) => schema.replace('sku      String', 'sku String\n  gift Boolean?'))
    const created = await createMigration({ adminUrl, domain, name: 'add_gift' })
    expect(created!.sql).toContain('ADD COLUMN     "gift" BOOLEAN')
    expect(created!.violations).toEqual([])
  })

  it('resets', async () => {
    expect(await reset({ adminUrl, domains, appSecret })).toEqual([
      'shop/20260101000000_init',
      'stock/20260101000000_init',
    ])
  })
})
