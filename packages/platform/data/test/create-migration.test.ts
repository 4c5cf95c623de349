import { readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMigration, migrate, status, unwrittenChange } from '../src/migrate/index.ts'
import { emptyDatabase, TEST_APP_SECRET } from '../src/testing/index.ts'
import { type DomainFolder, domainFolder } from './domain-folder.ts'

let database: Awaited<ReturnType<typeof emptyDatabase>>

beforeAll(async () => {
  database = await emptyDatabase()
})
afterAll(() => database.drop())

const tenant = 'tenantId String @default(dbgenerated("app.tid()")) @map("tenant_id") @db.Uuid'
const id = 'id String @default(uuid(7)) @db.Uuid'

function change(domain: DomainFolder, edit: (schema: string) => string, name = 'change') {
  domain.editSchema(edit)
  return createMigration({ adminUrl: database.adminUrl, domain, name })
}

describe('writing a migration', () => {
  it('writes nothing when nothing changed', async () => {
    const domain = domainFolder()
    expect(await change(domain, (schema) => schema)).toBeUndefined()
    expect(domain.migrations()).toEqual(['20260101000000_init'])
  })

  it('writes what changed, without naming the schema, after the migrations that there are', async () => {
    const domain = domainFolder()
    domain.writeMigration('29990101000000_from_a_clock_that_was_wrong', 'SELECT 1')
    const created = await change(
      domain,
      (schema) => schema.replace('sku      String', 'sku String\n  gift Boolean?'),
      'add_gift',
    )
    expect(created!.sql).toBe('-- AlterTable\nALTER TABLE "order_line" ADD COLUMN     "gift" BOOLEAN;\n')
    expect(readFileSync(created!.path, 'utf8')).toBe(created!.sql)
    expect(created!.warnings).toEqual([])
    expect(domain.migrations().slice(-2)).toEqual(['29990101000001_add_gift', 'migration_lock.toml'])
    expect(created!.name).toBe('29990101000001_add_gift')
  })

  it('protects a new tenant table, and lists a new global one with its reason', async () => {
    const domain = domainFolder('shop', {
      globalTables: { country: 'for tests of global tables', currency: "ISO 4217's list" },
    })
    const created = await change(
      domain,
      (schema) => `${schema}
model Group {
  ${tenant}
  ${id}
  @@id([tenantId, id])
  @@map("group")
}
model Currency {
  code String @id
  @@map("currency")
}`,
    )
    expect(created!.sql).toContain('"tenant_id" UUID NOT NULL DEFAULT app.tid()')
    expect(created!.sql).toMatch(
      /\n\nSELECT app.tenant_table\('"group"'\);\nSELECT app.global_table\('currency', 'ISO 4217''s list'\);\n$/,
    )
    expect(created!.violations).toEqual([])

    const other = await emptyDatabase()
    await migrate({ adminUrl: other.adminUrl, domains: [domain], appSecret: TEST_APP_SECRET })
    expect(await createMigration({ adminUrl: other.adminUrl, domain, name: 'again' })).toBeUndefined()
    await other.drop()
  })

  it('refuses a new table that is neither a tenant table nor listed as global', async () => {
    const domain = domainFolder()
    const refused = change(domain, (schema) => `${schema}\nmodel Stray {\n id String @id\n}`)
    await expect(refused).rejects.toMatchObject({
      code: 'UNCLASSIFIED_TABLE',
      message: expect.stringContaining('Stray'),
    })
    expect(domain.migrations()).toEqual(['20260101000000_init'])
  })

  it('says at once that a new table would let tenants see each other', async () => {
    const created = await change(
      domainFolder(),
      (schema) => `${schema}
model Coupon {
  ${tenant}
  ${id}
  code String @unique
  @@id([tenantId, id])
  @@map("coupon")
}`,
    )
    expect(created!.violations).toMatchObject([{ rule: 'unique', object: 'shop.coupon' }])
  })

  it('warns, in the file too, of what would be lost or could fail', async () => {
    const domain = domainFolder()
    const lines: string[] = []
    domain.editSchema((schema) =>
      schema
        .replace('note     String      @default("")', 'remark String')
        .replace('sku      String', 'sku Int')
        .replace('  @@unique([tenantId, key])', '  @@unique([tenantId, remark])')
        .replace(/\/\/\/ Global.*/s, ''),
    )
    const log = (line: string) => lines.push(line)
    const created = await createMigration({ adminUrl: database.adminUrl, domain, name: 'change', log })
    const warnings = created!.warnings.join('\n')
    expect(warnings).toContain('drop the `country` table')
    expect(warnings).toContain('drop the column `note` on the `order` table')
    expect(warnings).toContain('Added the required column `remark` to the `order` table')
    expect(warnings).toContain('ALTER TABLE "order" RENAME COLUMN "note" TO "remark"')
    expect(warnings).toMatch(/column `sku` on the `order_line` table (would be dropped and recreated|.*cast)/)
    expect(warnings).toContain('covering the columns `[tenant_id,remark]`')
    expect(lines.map((line) => line.replace('shop: warning: ', ''))).toEqual([
      expect.stringContaining('wrote'),
      ...created!.warnings,
    ])
    expect(created!.sql).toMatch(/^\/\*\n {2}Warnings:\n\n {2}- /)
  })

  it('makes one transaction of what Prisma would commit half-way', async () => {
    const domain = domainFolder()
    await change(
      domain,
      (schema) => `${schema.replace('  key ', '  kind Kind @default(A)\n$&')}\nenum Kind {\n  A\n  B\n}\n`,
      'kind',
    )
    const created = await change(domain, (schema) => schema.replace('  B\n', ''), 'less')
    expect(created!.sql).not.toMatch(/^(BEGIN|COMMIT);/m)
    expect(created!.warnings).toContainEqual(
      expect.stringContaining('The values [B] on the enum `Kind` will be removed'),
    )
    const other = await emptyDatabase()
    await migrate({ adminUrl: other.adminUrl, domains: [domain], appSecret: TEST_APP_SECRET })
    expect(await status({ adminUrl: other.adminUrl, domains: [domain] })).toMatchObject([{ pending: [], problems: [] }])
    await other.drop()
  })

  it('says when one migration cannot do it', async () => {
    const domain = domainFolder()
    await change(
      domain,
      (schema) => `${schema.replace('  key ', '  kind Kind @default(A)\n$&')}\nenum Kind {\n  A\n}\n`,
      'kind',
    )
    const refused = change(domain, (schema) => schema.replace('@default(A)', '@default(B)').replace('  A\n', '$&  B\n'))
    await expect(refused).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('go there in several'),
    })
  })

  it('can be told beforehand, for a check that none was forgotten', async () => {
    const domain = domainFolder()
    expect(await unwrittenChange({ adminUrl: database.adminUrl, domain })).toBeUndefined()
    domain.editSchema((schema) => schema.replace('sku      String', 'sku String\n  gift Boolean?'))
    expect(await unwrittenChange({ adminUrl: database.adminUrl, domain })).toContain('ADD COLUMN     "gift" BOOLEAN')
    expect(domain.migrations()).toEqual(['20260101000000_init'])
  })

  it('refuses a schema that Prisma refuses', async () => {
    const refused = change(domainFolder(), (schema) => `${schema}\nmodel Broken {`)
    await expect(refused).rejects.toMatchObject({
      code: 'SCHEMA_REFUSED',
      message: expect.stringContaining('schema.prisma'),
    })
  })

  it('leaves alone what Prisma has no words for', async () => {
    const domain = domainFolder()
    domain.writeMigration(
      '20260102000000_by_hand',
      `CREATE UNIQUE INDEX one_draft ON "order" (tenant_id) WHERE note = 'draft';
       CREATE INDEX order_note_lower ON "order" (tenant_id, lower(note));
       ALTER TABLE "order" ADD CONSTRAINT key_length CHECK (length(key) < 100);
       CREATE FUNCTION greeting() RETURNS text LANGUAGE sql AS $$ SELECT 'a;b' $$;`,
    )
    expect(await change(domain, (schema) => schema)).toBeUndefined()
  })

  it.each(['Add note', 'ä', '../up', '', 'a-b'])('refuses the name "%s"', async (name) => {
    const created = createMigration({ adminUrl: database.adminUrl, domain: domainFolder(), name })
    await expect(created).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })

  it('names the migration that does not apply', async () => {
    const domain = domainFolder()
    domain.writeMigration('20260102000000_broken', 'SELECT 1;\nALTER TABLE nowhere ADD x int')
    await expect(change(domain, (schema) => schema)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('20260102000000_broken'),
    })
  })

  it('changes nothing in the database, even when a migration tries to commit', async () => {
    const domain = domainFolder()
    domain.writeMigration('20260102000000_commit', 'CREATE TABLE a (); COMMIT; CREATE TABLE b ();')
    await expect(change(domain, (schema) => schema)).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })

    const client = new pg.Client(database.adminUrl)
    await client.connect()
    const left = await client.query(
      `SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^public$'
       UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, current_database())`,
    )
    await client.end()
    expect(left.rows).toEqual([])
  })
})
