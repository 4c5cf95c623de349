import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { violationsOf } from '../src/migrate/check-catalog.ts'
import {
  checkCatalog,
  type DomainSchema,
  databaseOf,
  domainRoles,
  migrate,
  type Violation,
} from '../src/migrate/index.ts'
import { emptyDatabase, TEST_APP_SECRET } from '../src/testing/index.ts'
import { domainFolder } from './domain-folder.ts'

const shop = domainFolder('shop', { definerFunctions: { key_of: 'for tests of definer functions' } })
shop.writeMigration(
  '20260102000000_key_of',
  `CREATE FUNCTION key_of(order_id uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
   AS $$ SELECT key FROM shop."order" WHERE id = order_id $$;
   SELECT app.definer_function('key_of(uuid)', '"order"');`,
)
const stock = domainFolder('stock')
stock.writeMigration(
  '20260101000000_init',
  `CREATE TABLE item (tenant_id uuid NOT NULL DEFAULT app.tid(), id uuid NOT NULL, name text, PRIMARY KEY (tenant_id, id));
   SELECT app.tenant_table('item', append_only => true);`,
)
const domains = [shop, stock]

let database: Awaited<ReturnType<typeof emptyDatabase>>
let admin: pg.Client
const role: Record<string, string> = {}

beforeAll(async () => {
  database = await emptyDatabase()
  await migrate({ adminUrl: database.adminUrl, domains, appSecret: TEST_APP_SECRET })
  admin = new pg.Client(database.adminUrl)
  await admin.connect()
  const roles = domainRoles(databaseOf(database.adminUrl), 'shop')
  Object.assign(role, { well, database: databaseOf(database.adminUrl) }, roles, {
    stock: domainRoles(databaseOf(database.adminUrl), 'stock').serving,
  })
})
afterAll(async () => {
  await admin.end()
  await database.drop()
})

/**
 * What the check says of a database in which `sql` was run; `{serving}` and the like stand for the roles of shop, `{well}` for a table. The sql is
 * undone afterwards.
 */
async function after(sql: string, domain: DomainSchema = shop): Promise<Violation[]> {
  await admin.query('BEGIN')
  try {
    await admin.query(`SET LOCAL search_path = shop; ${sql.replace(/\{(\w+)\}/g, (_, name) => role[name]!)}`)
    return await violationsOf(admin, domain)
  } finally {
    await admin.query('ROLLBACK')
  }
}

/** A tenant table without a fault, for the rules to find one in. */
const well = `CREATE TABLE well (tenant_id uuid NOT NULL, id uuid NOT NULL, code text, PRIMARY KEY (tenant_id, id));
  SELECT app.tenant_table('well');`

describe('the catalog check', () => {
  it('has nothing to say of a database as the migrations make it', async () => {
    expect(await checkCatalog(database.adminUrl, domains)).toEqual([])
    expect(await after('{well}')).toEqual([])
  })

  it('reads what is committed, and says what is wrong and how to put it right', async () => {
    await admin.query('ALTER TABLE shop."order" NO FORCE ROW LEVEL SECURITY')
    try {
      expect(await checkCatalog(database.adminUrl, domains)).toEqual([
        {
          domain: 'shop',
          object: 'shop."order"',
          rule: 'row-security-not-forced',
          message: expect.stringMatching(/^shop\."order": row security is not forced.* app\.tenant_table/),
        },
      ])
    } finally {
      await admin.query('ALTER TABLE shop."order" FORCE ROW LEVEL SECURITY')
    }
  })

  it('says that a domain was never migrated', async () => {
    expect(await checkCatalog(database.adminUrl, [domainFolder('nowhere')])).toMatchObject([
      { domain: 'nowhere', rule: 'not-provisioned' },
    ])
  })

  it.each([
    // Tables and their keys.
    ['unclassified-table', 'shop.bad', 'CREATE TABLE bad (id uuid PRIMARY KEY)'],
    ['global-table-with-tenant', 'shop.country', 'ALTER TABLE country ADD COLUMN tenant_id uuid'],
    ['global-table-missing', 'shop.country', 'DROP TABLE country'],
    ['primary-key', 'shop.well', `{well} ALTER TABLE well DROP CONSTRAINT well_pkey`],
    ['primary-key', 'shop.well', `{well} ALTER TABLE well DROP CONSTRAINT well_pkey, ADD PRIMARY KEY (id, tenant_id)`],
    ['unique', 'shop.well', `{well} ALTER TABLE well ADD UNIQUE (code)`],
    ['unique', 'shop.well', `{well} CREATE UNIQUE INDEX ON well (code, tenant_id)`],
    ['unique', 'shop.well', `{well} CREATE UNIQUE INDEX ON well (lower(code)) WHERE code <> ''`],
    ['index', 'shop.well', `{well} CREATE INDEX ON well (code)`],
    ['index', 'shop.well', `{well} CREATE INDEX ON well USING gin (to_tsvector('simple', code))`],
    ['foreign-key', 'shop.well', `{well} ALTER TABLE well ADD COLUMN country text REFERENCES country`],
    [
      'foreign-key',
      'shop.well',
      `{well} CREATE UNIQUE INDEX loose ON "order" (tenant_id, note, id); ALTER TABLE well ADD COLUMN a uuid;
       ALTER TABLE well ADD FOREIGN KEY (a, tenant_id) REFERENCES "order" (tenant_id, id)`,
    ],
    [
      'foreign-key',
      'shop.country',
      'ALTER TABLE country ADD COLUMN a uuid, ADD COLUMN b uuid, ADD FOREIGN KEY (a, b) REFERENCES "order" (tenant_id, id)',
    ],
    [
      'foreign-key-across-domains',
      'shop.well',
      `{well} ALTER TABLE well ADD FOREIGN KEY (tenant_id, id) REFERENCES stock.item (tenant_id, id)`,
    ],
    [
      'trigger',
      'shop."order"',
      'CREATE TRIGGER t BEFORE UPDATE ON "order" EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    ],
    ['trigger', 'shop."order"', 'CREATE RULE r AS ON DELETE TO "order" DO INSTEAD NOTHING'],
    ['identity-column', 'shop.well', `{well} ALTER TABLE well ADD COLUMN n int GENERATED ALWAYS AS IDENTITY`],
    ['sequence', 'shop.well', `{well} ALTER TABLE well ADD COLUMN n serial`],

    // Row security.
    ['row-security-disabled', 'shop."order"', 'ALTER TABLE "order" DISABLE ROW LEVEL SECURITY'],
    ['row-security-not-forced', 'shop."order"', 'ALTER TABLE "order" NO FORCE ROW LEVEL SECURITY'],
    ['policy-missing', 'shop."order"', 'DROP POLICY tenant ON "order"'],
    ['policy-missing', 'shop."order"', 'DROP POLICY system ON "order"'],
    [
      'policy-unexpected',
      'shop."order"',
      'CREATE POLICY mine ON "order" FOR SELECT TO {serving} USING (note = $$public$$)',
    ],
    ['policy-changed', 'shop."order"', 'ALTER POLICY tenant ON "order" USING (true)'],
    ['policy-changed', 'shop."order"', 'ALTER POLICY tenant ON "order" WITH CHECK (true)'],
    [
      'policy-changed',
      'shop."order"',
      `ALTER POLICY tenant ON "order" USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)`,
    ],
    ['policy-changed', 'shop."order"', 'ALTER POLICY tenant ON "order" TO {serving}, {stock}'],
    ['policy-changed', 'shop."order"', 'ALTER POLICY system ON "order" TO PUBLIC'],
    ['policy-changed', 'shop."order"', 'ALTER POLICY definer ON "order" TO {serving}'],
    [
      'policy-changed',
      'shop."order"',
      'DROP POLICY system ON "order"; CREATE POLICY system ON "order" FOR SELECT TO {system} USING (true)',
    ],
    [
      'policy-changed',
      'shop."order"',
      'DROP POLICY tenant ON "order"; CREATE POLICY tenant ON "order" AS RESTRICTIVE TO {serving} USING (tenant_id = app.tid()) WITH CHECK (tenant_id = app.tid())',
    ],
    [
      'policy-changed',
      'shop."order"',
      'DROP POLICY tenant ON "order"; CREATE POLICY tenant ON "order" TO {serving} USING (tenant_id = app.tid())',
    ],

    // Rights.
    ['grant', 'shop."order"', 'GRANT SELECT ON "order" TO PUBLIC'],
    ['grant', 'shop."order"', 'GRANT TRUNCATE ON "order" TO {serving}'],
    ['grant', 'shop."order"', 'GRANT SELECT ON "order" TO {serving} WITH GRANT OPTION'],
    ['grant', 'shop."order"', 'GRANT SELECT ON "order" TO {stock}'],
    ['grant', 'shop."order"', 'GRANT INSERT ON "order" TO {definer}'],
    ['grant', 'shop.country', 'GRANT REFERENCES ON country TO {system}'],
    ['grant', 'shop._prisma_migrations', 'GRANT SELECT ON _prisma_migrations TO {serving}'],
    ['column-grant', 'shop."order"', 'GRANT UPDATE (note) ON "order" TO {definer}'],
    ['schema-grant', 'shop', 'GRANT USAGE ON SCHEMA shop TO {stock}'],
    ['schema-grant', 'shop', 'GRANT USAGE ON SCHEMA shop TO PUBLIC'],
    ['schema-grant', 'shop', 'GRANT CREATE ON SCHEMA shop TO {serving}'],
    ['reach', 'stock', 'GRANT USAGE ON SCHEMA stock TO {serving}'],
    ['database-grant', '{database}', 'GRANT CONNECT ON DATABASE {database} TO PUBLIC'],
    ['database-grant', '{database}', 'GRANT CREATE ON DATABASE {database} TO {serving}'],
    ['default-privileges', 'shop', 'ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC'],
    ['default-privileges', 'shop', 'ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {stock}'],
    ['owner', 'shop.country', 'ALTER TABLE country OWNER TO {serving}'],
    ['owner', 'shop', 'ALTER SCHEMA shop OWNER TO {system}'],
    [
      'owner',
      'shop.f()',
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; ALTER FUNCTION f() OWNER TO {serving}',
    ],
    ['view', 'shop.v', 'CREATE VIEW v AS SELECT * FROM "order"'],
    ['view', 'shop.v', 'CREATE VIEW v WITH (security_invoker = false) AS SELECT * FROM "order"'],
    ['unprotected-relation', 'shop.m', 'CREATE MATERIALIZED VIEW m AS SELECT 1 AS one'],

    // Functions that run as someone else.
    [
      'definer-function-unlisted',
      'shop.f()',
      `CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$; SELECT app.definer_function('f()', 'country')`,
    ],
    [
      'definer-function-missing',
      'shop.key_of',
      'ALTER FUNCTION key_of(uuid) SECURITY INVOKER; ALTER FUNCTION key_of(uuid) OWNER TO CURRENT_USER',
    ],
    ['definer-function-search-path', 'shop.key_of(uuid)', 'ALTER FUNCTION key_of(uuid) RESET search_path'],
    [
      'definer-function-search-path',
      'shop.key_of(uuid)',
      'ALTER FUNCTION key_of(uuid) SET search_path = "$user", public',
    ],
    ['definer-function-owner', 'shop.key_of(uuid)', 'ALTER FUNCTION key_of(uuid) OWNER TO CURRENT_USER'],
    ['definer-function-grant', 'shop.key_of(uuid)', 'GRANT EXECUTE ON FUNCTION key_of(uuid) TO PUBLIC'],
    ['definer-function-grant', 'shop.key_of(uuid)', 'GRANT EXECUTE ON FUNCTION key_of(uuid) TO {stock}'],

    // Roles.
    ['role-attribute', '{serving}', 'ALTER ROLE {serving} SUPERUSER'],
    ['role-attribute', '{system}', 'ALTER ROLE {system} BYPASSRLS'],
    ['role-attribute', '{serving}', 'ALTER ROLE {serving} CREATEROLE'],
    ['role-attribute', '{serving}', 'ALTER ROLE {serving} CREATEDB'],
    ['role-attribute', '{system}', 'ALTER ROLE {system} REPLICATION'],
    ['role-attribute', '{definer}', 'ALTER ROLE {definer} LOGIN'],
    ['role-membership', '{serving}', 'GRANT {system} TO {serving}'],
    ['role-membership', '{system}', 'GRANT {stock} TO {system}'],
    ['role-membership', '{serving}', 'GRANT pg_read_all_data TO {serving}'],
    ['role-setting', '{serving}', `ALTER ROLE {serving} SET app.tenant_id = '0190b7c0-0000-7000-8000-00000000000a'`],
  ])('finds %s of %s: %s', async (rule, object, sql) => {
    const expected = object.replace(/\{(\w+)\}/, (_, name) => role[name]!)
    expect((await after(sql)).map((violation) => [violation.rule, violation.object])).toEqual([[rule, expected]])
  })

  it('finds a tenant_id of another type or without a value, beside what that leads to', async () => {
    const text = await after(
      `{well} DROP POLICY tenant ON well; ALTER TABLE well ALTER tenant_id TYPE text;
       CREATE POLICY tenant ON well TO {serving} USING (tenant_id = app.tid()::text) WITH CHECK (tenant_id = app.tid()::text)`,
    )
    expect(text.map(({ rule }) => rule)).toEqual(['tenant-type', 'policy-changed'])
    const nullable = await after('{well} ALTER TABLE well DROP CONSTRAINT well_pkey, ALTER tenant_id DROP NOT NULL')
    expect(nullable.map(({ rule }) => rule)).toEqual(['tenant-nullable', 'primary-key'])
  })

  it.each([
    ['a schema', 'reach', 'CREATE SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO {serving}'],
    ['a view', 'reach', 'CREATE VIEW public.leak AS SELECT * FROM "order"; GRANT SELECT ON public.leak TO {serving}'],
    [
      'a function that runs as someone else',
      'reach reach reach',
      'CREATE FUNCTION public.leak() RETURNS SETOF "order" LANGUAGE sql SECURITY DEFINER AS $$ SELECT * FROM shop."order" $$',
    ],
  ])('finds %s outside of the domain that its roles can reach', async (_, rules, sql) => {
    expect((await after(sql)).map(({ rule }) => rule).join(' ')).toBe(rules)
  })

  it('accepts a definer policy only where functions are listed', async () => {
    const violations = await after(
      `CREATE POLICY definer ON stock.item FOR SELECT TO ${domainRoles(databaseOf(database.adminUrl), 'stock').definer} USING (true)`,
      stock,
    )
    expect(violations).toMatchObject([{ rule: 'policy-unexpected', object: 'stock.item' }])
  })
})
