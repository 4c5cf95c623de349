import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { asAdministrator } from '../src/migrate/connection.ts'
import {
  domainRoles,
  dropOrphan,
  type MigrateOptions,
  migrate,
  orphans,
  reset,
  roleUrls,
  status,
} from '../src/migrate/index.ts'
import { readMigrations } from '../src/migrate/migrations.ts'
import { inShadow } from '../src/migrate/shadow.ts'
import { TEST_APP_SECRET as appSecret, emptyDatabase } from '../src/testing/index.ts'
import { domainFolder } from './domain-folder.ts'

const tenant = '0190b7c0-0000-7000-8000-00000000000a'
let database: Awaited<ReturnType<typeof emptyDatabase>>

beforeAll(async () => {
  database = await emptyDatabase()
})
beforeEach(() => query(database.adminUrl, 'DROP SCHEMA IF EXISTS app, shop, stock CASCADE'))
afterAll(() => database.drop())

async function query(url: string, sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const result: pg.QueryResult | pg.QueryResult[] = await client.query(sql, values)
    return Array.isArray(result) ? result.at(-1)!.rows : result.rows
  } finally {
    await client.end()
  }
}

function shop() {
  const domain = domainFolder()
  const options: MigrateOptions = { adminUrl: database.adminUrl, domains: [domain], appSecret }
  return { domain, options, adminUrl: options.adminUrl, state: async () => (await status(options))[0]! }
}

const exists = async (url: string, table: string) =>
  (await query(url, 'SELECT to_regclass($1) IS NOT NULL AS exists', [table]))[0]!.exists

describe('migrating', () => {
  it('applies what is pending, in order, and nothing a second time', async () => {
    const { domain, options, state } = shop()
    domain.writeMigration('20260102000000_next', 'ALTER TABLE "order" ADD COLUMN gift boolean')
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    expect(await migrate({ ...options, log })).toEqual(['shop/20260101000000_init', 'shop/20260102000000_next'])
    expect(await migrate({ ...options, log })).toEqual([])
    expect(lines).toEqual(['shop: applied 20260101000000_init', 'shop: applied 20260102000000_next'])
    expect(await state()).toEqual({
      domain: 'shop',
      applied: ['20260101000000_init', '20260102000000_next'],
      pending: [],
      problems: [],
    })
  })

  it('applies each migration once when several processes start at once', async () => {
    const { options } = shop()
    const applied = await Promise.all([migrate(options), migrate(options), migrate(options)])
    expect(applied.flat()).toEqual(['shop/20260101000000_init'])
  })

  it('leaves nothing of a migration that fails, and continues once its file is right', async () => {
    const { domain, options, adminUrl, state } = shop()
    domain.writeMigration('20260102000000_next', 'CREATE TABLE half (id int);\n\nALTER TABLE nowhere ADD COLUMN x int;')
    await expect(migrate(options)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(/shop: migration 20260102000000_next failed.*"nowhere" does not exist/),
    })
    expect(await exists(adminUrl, 'shop.half')).toBe(false)
    expect(await state()).toMatchObject({
      applied: ['20260101000000_init'],
      pending: ['20260102000000_next'],
      problems: [],
    })

    domain.writeMigration('20260102000000_next', 'CREATE TABLE whole (id int)')
    expect(await migrate(options)).toEqual(['shop/20260102000000_next'])
  })

  it('says in which line a migration is wrong', async () => {
    const { domain, options } = shop()
    domain.writeMigration('20260102000000_next', 'SELECT 1;\n-- ä €\nSELEKT 2;\n')
    await expect(migrate(options)).rejects.toThrow('failed at line 3: syntax error')
  })

  it.each([
    ['COMMIT', 'CREATE TABLE half (id int); COMMIT; CREATE TABLE other (id int);'],
    ['ROLLBACK', 'CREATE TABLE half (id int); ROLLBACK; CREATE TABLE other (id int);'],
    ['END, begun anew', 'CREATE TABLE half (id int); END; BEGIN; CREATE TABLE other (id int);'],
    ['COMMIT in a block', 'CREATE TABLE half (id int); DO $$ BEGIN COMMIT; END $$;'],
  ])('applies nothing of a migration that ends its transaction: %s', async (_, sql) => {
    const { domain, options, adminUrl } = shop()
    domain.writeMigration('20260102000000_next', sql)
    await expect(migrate(options)).rejects.toThrow('it ends the transaction it runs in')
    expect(await exists(adminUrl, 'shop.half')).toBe(false)
    expect(await exists(adminUrl, 'shop.other')).toBe(false)
  })

  it('finds the ends of statements as PostgreSQL does', async () => {
    const { domain, options, adminUrl } = shop()
    domain.writeMigration(
      '20260102000000_next',
      `CREATE FUNCTION greeting() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'a;b'; END $$;
       CREATE TABLE said AS SELECT greeting() AS words, ';--' AS more;`,
    )
    await migrate(options)
    expect(await query(adminUrl, 'SELECT * FROM shop.said')).toEqual([{ words: 'a;b', more: ';--' }])
  })

  it('refuses to go on from a migration that was edited', async () => {
    const { domain, options, state } = shop()
    await migrate(options)
    domain.writeMigration('20260101000000_init', 'SELECT 1')
    await expect(migrate(options)).rejects.toMatchObject({ code: 'MIGRATION_EDITED' })
    expect((await state()).problems).toMatchObject([{ code: 'MIGRATION_EDITED' }])
  })

  it('refuses to go on from a migration that the folder has lost', async () => {
    const { domain, options, state } = shop()
    domain.writeMigration('20260102000000_next', 'SELECT 1')
    await migrate(options)
    domain.deleteMigration('20260102000000_next')
    await expect(migrate(options)).rejects.toMatchObject({ code: 'MIGRATION_MISSING' })
    expect(await state()).toMatchObject({ problems: [{ code: 'MIGRATION_MISSING' }] })
  })

  it('refuses to go on from a migration that another tool left half done', async () => {
    const { options, adminUrl, state } = shop()
    await migrate(options)
    await query(adminUrl, 'UPDATE shop._prisma_migrations SET finished_at = NULL')
    await expect(migrate(options)).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    expect(await state()).toMatchObject({
      applied: [],
      pending: ['20260101000000_init'],
      problems: [{ code: 'MIGRATION_FAILED' }],
    })
  })

  it('gives up rather than make everyone wait for a table that is in use', async () => {
    const { domain, options, adminUrl } = shop()
    await migrate(options)
    const user = new pg.Client(adminUrl)
    await user.connect()
    await user.query('BEGIN; SELECT * FROM shop."order"')
    domain.writeMigration(
      '20260102000000_next',
      `SET LOCAL lock_timeout = 50; ALTER TABLE "order" ADD COLUMN gift boolean`,
    )
    await expect(migrate(options)).rejects.toMatchObject({ code: 'LOCKED' })
    await user.end()
    expect(await migrate(options)).toEqual(['shop/20260102000000_next'])
  })

  describe('an index that is made while its table is in use', () => {
    const index = '20260102000000_index'
    const sql =
      '-- The largest table of all.\nCREATE UNIQUE INDEX CONCURRENTLY "order_by_key" ON "order"("tenant_id", "key");\n'
    const row = (key: string) =>
      `INSERT INTO shop."order" (tenant_id, id, key) VALUES ('${tenant}', gen_random_uuid(), '${key}')`
    const valid = async (url: string) =>
      (
        await query(url, `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('shop.order_by_key')`)
      )[0]?.valid

    it('locks out neither who writes nor another process that migrates', async () => {
      const { domain, options, adminUrl, state } = shop()
      await migrate(options)
      domain.writeMigration(index, sql)
      const writer = new pg.Client(adminUrl)
      await writer.connect()
      await writer.query(`BEGIN; ${row('open')}`)
      const migrating = Promise.all([migrate(options), migrate(options)])
      await query(adminUrl, row('meanwhile'))
      await writer.query('COMMIT')
      await writer.end()
      expect((await migrating).flat()).toEqual([`shop/${index}`])
      expect(await valid(adminUrl)).toBe(true)
      expect(await state()).toMatchObject({ applied: ['20260101000000_init', index], pending: [] })
    })

    it('is gone when it cannot be made, or was left behind half made, and is made when it can be', async () => {
      const { domain, options, adminUrl } = shop()
      await migrate(options)
      await query(adminUrl, 'DROP INDEX shop.order_tenant_id_key_key')
      await query(adminUrl, `${row('twice')}; ${row('twice')}`)
      domain.writeMigration(index, sql)
      await expect(migrate(options)).rejects.toMatchObject({
        code: 'MIGRATION_FAILED',
        message: expect.stringMatching(/could not create unique index "order_by_key"/),
      })
      expect(await valid(adminUrl)).toBeUndefined()
      await query(adminUrl, sql.replace('"order"', 'shop."order"')).catch(() => {}) // as a process that was killed
      expect(await valid(adminUrl)).toBe(false)
      await query(adminUrl, `DELETE FROM shop."order"`)
      expect(await migrate(options)).toEqual([`shop/${index}`])
      expect(await valid(adminUrl)).toBe(true)
    })

    it('must be all that its migration does', async () => {
      const { domain, options } = shop()
      domain.writeMigration(index, `${sql} ALTER TABLE "order" ADD COLUMN gift boolean;`)
      await expect(migrate(options)).rejects.toMatchObject({
        code: 'MIGRATION_FAILED',
        message: expect.stringMatching(
          /failed: CREATE INDEX CONCURRENTLY cannot .*only an index can be made outside of one/,
        ),
      })
    })
  })

  it('migrates a domain that lives in a database of its own there, and only there', async () => {
    const [home, other] = [database.adminUrl, await emptyDatabase()]
    const elsewhere = other.adminUrl
    const stock = domainFolder('stock')
    stock.writeMigration('20260101000000_init', 'CREATE TABLE item (id int)')
    const options = { adminUrl: home, domains: [domainFolder(), stock], appSecret, adminUrls: { stock: elsewhere } }
    expect(await migrate(options)).toEqual(['shop/20260101000000_init', 'stock/20260101000000_init'])
    expect(await exists(home, 'stock.item')).toBe(false)
    expect(await exists(elsewhere, 'stock.item')).toBe(true)
    expect(await exists(elsewhere, 'shop."order"')).toBe(false)
    expect(await status(options)).toMatchObject([
      { domain: 'shop', problems: [] },
      { domain: 'stock', applied: ['20260101000000_init'], problems: [] },
    ])
    await other.drop()
  })

  it('says which database it cannot reach, without the password', async () => {
    const { domain } = shop()
    const refused = migrate({ adminUrl: 'postgres://admin:hush@127.0.0.1:1/nowhere', domains: [domain], appSecret })
    await expect(refused).rejects.toMatchObject({
      code: 'NOT_PERMITTED',
      message: expect.stringContaining('127.0.0.1:1/nowhere'),
    })
    await expect(refused).rejects.not.toThrow('hush')
  })
})

describe('an administrator', () => {
  it('who lacks rights is told which', async () => {
    const { options, adminUrl } = shop()
    await migrate(options)
    const { serving } = roleUrls(adminUrl, 'shop', appSecret)
    await expect(migrate({ ...options, adminUrl: serving })).rejects.toMatchObject({
      code: 'NOT_PERMITTED',
      message: expect.stringContaining('must own the database and have CREATEROLE'),
    })
  })
})

describe('the status of a database', () => {
  it('is all pending before anything was migrated', async () => {
    expect(await shop().state()).toEqual({
      domain: 'shop',
      applied: [],
      pending: ['20260101000000_init'],
      problems: [],
    })
  })

  it('tells of drift: whatever differs from what the migrations make', async () => {
    const { options, adminUrl, state } = shop()
    await migrate(options)
    await query(
      adminUrl,
      `SET search_path = shop;
       ALTER TABLE "order" ADD COLUMN sneaked text;
       ALTER TABLE order_line DROP COLUMN sku;
       ALTER TABLE "order" ALTER note TYPE varchar(9), ALTER note DROP NOT NULL, ALTER note SET DEFAULT 'x';
       CREATE INDEX byhand ON "order" (tenant_id, note);
       DROP INDEX order_tenant_id_key_key;
       ALTER TABLE "order" ADD CONSTRAINT noted CHECK (note <> '') NOT VALID;
       DROP TABLE country;
       CREATE TABLE extra (id int);
       ALTER TABLE "order" NO FORCE ROW LEVEL SECURITY;
       ALTER POLICY tenant ON "order" USING (true);
       CREATE POLICY mine ON "order" USING (true);
       GRANT SELECT ON order_line TO PUBLIC;
       GRANT SELECT (key) ON "order" TO PUBLIC;
       GRANT USAGE ON SCHEMA shop TO PUBLIC;
       CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
       CREATE VIEW v AS SELECT 1 AS one;
       CREATE TYPE mood AS ENUM ('ok');
       CREATE TRIGGER t BEFORE UPDATE ON "order" EXECUTE FUNCTION suppress_redundant_updates_trigger();`,
    )
    const { problems } = await state()
    expect(problems).toMatchObject([{ code: 'DRIFT' }])
    const lines = problems[0]!.message
      .replace(/^.*?migrations make: /, '')
      .split('; ')
      .slice(0, -1)
    const { serving } = domainRoles(new URL(adminUrl).pathname.slice(1), 'shop')
    expect(lines.filter((line) => !/^(table|schema) .* is "/.test(line))).toEqual([
      'column key of order is "text NOT NULL granted SELECT to PUBLIC", not "text NOT NULL"',
      `column note of order is "character varying(9) DEFAULT 'x'::character varying", not "text NOT NULL DEFAULT ''::text"`,
      'column sku of order_line is missing',
      'column sneaked of order exists, but no migration makes it',
      'constraint noted of order exists, but no migration makes it',
      'enum mood exists, but no migration makes it',
      'function f() exists, but no migration makes it',
      'index byhand of order exists, but no migration makes it',
      'index order_tenant_id_key_key of order is missing',
      'policy mine of order exists, but no migration makes it',
      `policy tenant of order is "permissive for * to ${serving} using true with check (tenant_id = app.tid())", ` +
        `not "permissive for * to ${serving} using (tenant_id = app.tid()) with check (tenant_id = app.tid())"`,
      'table country is missing',
      'table extra exists, but no migration makes it',
      'trigger t of order exists, but no migration makes it',
      'view v exists, but no migration makes it',
    ])
    expect(lines).toContainEqual(expect.stringMatching(/^schema shop is "granted .*USAGE to PUBLIC/))
    expect(lines).toContainEqual(
      expect.stringMatching(/^table order is "row security enabled, not forced, .*not "row security enabled, forced/),
    )
    expect(lines).toContainEqual(expect.stringMatching(/^table order_line is ".*SELECT to PUBLIC/))
  })

  it('changes nothing, and neither waits for those who use the tables nor makes them wait', async () => {
    const { options, adminUrl, state } = shop()
    await migrate(options)
    const user = new pg.Client(roleUrls(adminUrl, 'shop', appSecret).serving)
    await user.connect()
    await user.query(
      `BEGIN; SELECT app.enter('${tenant}'); INSERT INTO shop."order" (id, key) VALUES (gen_random_uuid(), 'k')`,
    )
    await user.query('LOCK TABLE shop."order" IN ROW EXCLUSIVE MODE')
    expect(await state()).toMatchObject({ problems: [] })
    await user.query('COMMIT')
    await user.end()
    expect(await query(adminUrl, 'SELECT key FROM shop."order"')).toEqual([{ key: 'k' }])
    expect(await query(adminUrl, `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'shop%'`)).toEqual([
      { nspname: 'shop' },
    ])
  })

  it('is found while the domain is served: its shadow is seen by nobody and blocks nobody', async () => {
    const { domain, options, adminUrl } = shop()
    await migrate(options)
    const served = await asAdministrator(adminUrl, (client) =>
      inShadow(client, domain, readMigrations(domain), () =>
        query(
          roleUrls(adminUrl, 'shop', appSecret).serving,
          `SET statement_timeout = 1000; BEGIN; SELECT app.enter('${tenant}'); INSERT INTO shop."order" (id, key) VALUES (gen_random_uuid(), 'k');
           INSERT INTO shop.order_line (order_id, position, sku) SELECT id, 1, 'sku' FROM shop."order"; COMMIT;
           BEGIN; SELECT app.enter('${tenant}'); SELECT key FROM shop."order"`,
        ),
      ),
    )
    expect(served).toEqual([{ key: 'k' }])
    expect(await query(adminUrl, 'SELECT sku FROM shop.order_line')).toEqual([{ sku: 'sku' }])
  })

  it('copes with an extension outside of the domain', async () => {
    const { domain, options, state } = shop()
    domain.writeMigration(
      '20260102000000_citext',
      'CREATE EXTENSION IF NOT EXISTS citext SCHEMA public; ALTER TABLE "order" ADD COLUMN label public.citext',
    )
    await migrate(options)
    expect((await state()).problems).toEqual([])
  })
})

describe('resetting', () => {
  it('drops what the domains have stored and migrates anew', async () => {
    const { options, adminUrl, state } = shop()
    await migrate(options)
    await query(adminUrl, `INSERT INTO shop.country VALUES ('ch', 'Switzerland'); CREATE TABLE shop.sneaked (id int)`)
    await query(adminUrl, `INSERT INTO events.source VALUES ('shop')`)
    expect(await reset(options)).toEqual(['shop/20260101000000_init'])
    expect(await query(adminUrl, 'SELECT * FROM shop.country')).toEqual([])
    expect(await query(adminUrl, 'SELECT * FROM events.source')).toEqual([])
    expect(await query(adminUrl, 'SELECT count(*)::int FROM jobs.job')).toEqual([{ count: 0 }])
    expect(await state()).toMatchObject({ pending: [], problems: [] })
    const [served] = await query(roleUrls(adminUrl, 'shop', appSecret).serving, 'SELECT current_user::text AS role')
    expect(served).toEqual({ role: domainRoles(new URL(adminUrl).pathname.slice(1), 'shop').serving })
  })

  it('mends a history that migrating refuses', async () => {
    const { domain, options } = shop()
    await migrate(options)
    domain.writeMigration('20260101000000_init', 'CREATE TABLE country (code text)')
    expect(await reset(options)).toEqual(['shop/20260101000000_init'])
  })

  it('leaves other domains alone', async () => {
    const { options, adminUrl } = shop()
    const stock = domainFolder('stock')
    stock.writeMigration('20260101000000_init', 'CREATE TABLE item (id int)')
    await migrate({ ...options, domains: [...options.domains, stock] })
    await query(adminUrl, 'INSERT INTO stock.item VALUES (1)')
    await reset(options)
    expect(await query(adminUrl, 'SELECT id FROM stock.item')).toEqual([{ id: 1 }])
  })

  it('is refused in production, unless it is forced', async () => {
    const { options, adminUrl } = shop()
    await migrate(options)
    const mode = process.env.NODE_ENV
    process.env.NODE_ENV = 'production'
    try {
      await expect(reset(options)).rejects.toMatchObject({ code: 'RESET_REFUSED' })
      expect(await exists(adminUrl, 'shop."order"')).toBe(true)
      expect(await reset({ ...options, force: true })).toEqual(['shop/20260101000000_init'])
    } finally {
      process.env.NODE_ENV = mode
    }
  })

  it.each(['db.example.com', '10.0.0.1', 'localhost.example.com', '127.0.0.1.example.com'])(
    'is refused on a server elsewhere: %s',
    async (host) => {
      const { domain, adminUrl } = shop()
      const options = { adminUrl, domains: [domain], appSecret, adminUrls: { shop: `postgres://a@${host}/x` } }
      await expect(reset(options)).rejects.toMatchObject({ code: 'RESET_REFUSED' })
    },
  )

  it('is refused when the URL hides the server elsewhere', async () => {
    const { domain } = shop()
    const adminUrl = 'postgres://a@localhost/x?host=db.example.com'
    await expect(reset({ adminUrl, domains: [domain], appSecret })).rejects.toMatchObject({ code: 'RESET_REFUSED' })
  })
})

describe('a domain that was removed', () => {
  it('is known by what it has left, which is dropped when somebody says so, with its roles, and nothing else', async () => {
    const { options, adminUrl } = shop()
    const stock = domainFolder('stock')
    stock.writeMigration('20260101000000_init', 'CREATE TABLE item (id int)')
    await migrate({ ...options, domains: [...options.domains, stock] })
    const rolesLeft = () =>
      query(adminUrl, 'SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)', [
        Object.values(domainRoles(new URL(adminUrl).pathname.slice(1), 'stock')),
      ])

    expect(await orphans(options)).toEqual(['stock'])
    expect(await rolesLeft()).toHaveLength(3)
    for (const name of ['shop', 'nowhere', 'app', 'events'])
      await expect(dropOrphan(name, options)).rejects.toMatchObject({ code: 'NOT_ORPHANED' })
    await dropOrphan('stock', options)
    expect(await orphans(options)).toEqual([])
    expect(await rolesLeft()).toEqual([])
    expect(await exists(adminUrl, 'stock.item')).toBe(false)
    expect(await exists(adminUrl, 'shop."order"')).toBe(true)
  })

  it('is dropped in production only when it is forced', async () => {
    const { options, adminUrl } = shop()
    await migrate({ ...options, domains: [...options.domains, domainFolder('stock')] })
    const mode = process.env.NODE_ENV
    process.env.NODE_ENV = 'production'
    try {
      await expect(dropOrphan('stock', options)).rejects.toMatchObject({ code: 'RESET_REFUSED' })
      expect(await query(adminUrl, `SELECT name FROM app.domain WHERE name = 'stock'`)).toHaveLength(1)
      await dropOrphan('stock', { ...options, force: true })
      expect(await orphans(options)).toEqual([])
    } finally {
      process.env.NODE_ENV = mode
    }
  })
})
