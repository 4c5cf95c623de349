/** Writes migrations: from the change of `schema.prisma`, with the row security and the grants of new tables. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { type Violation, violationsOf } from './check-catalog.ts'
import { asAdministrator, reason } from './connection.ts'
import { takeSnapshot, warningsOf } from './data-loss.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError } from './errors.ts'
import { readMigrations } from './migrations.ts'
import { sqlForChange } from './schema-engine.ts'
import { runScript } from './script.ts'
import { inShadow } from './shadow.ts'

/** What {@link createMigration} needs. */
export interface CreateMigrationOptions {
  /** The administrator of the database in which the domain lives. Nothing in it changes. */
  readonly adminUrl: string
  readonly domain: DomainSchema
  /** What the migration does, `[a-z0-9_]+`. */
  readonly name: string
  /** Told what was written, and of every warning. */
  readonly log?: (line: string) => void
}

/** A migration that was written. */
export interface CreatedMigration {
  readonly name: string
  /** The file. */
  readonly path: string
  readonly sql: string
  /** What the migration may lose or may fail at on tables with rows. */
  readonly warnings: readonly string[]
  /** What `checkCatalog` will say of it once it is applied. */
  readonly violations: readonly Violation[]
}

/**
 * Writes the migration that turns what the domain's migrations make into what `schema.prisma` says; undefined when nothing
 * changed. It was run once, in a transaction that was rolled back, so it applies to an empty database at least.
 */
export async function createMigration(options: CreateMigrationOptions): Promise<CreatedMigration | undefined> {
  const { adminUrl, domain, name, log } = options
  if (!/^[a-z0-9_]{1,100}$/.test(name)) {
    throw new MigrationError(
      'INVALID_NAME',
      `"${name}" can't name a migration: use a-z, 0-9 and _, at most 100, e.g. add_note_to_order`,
    )
  }
  const migrations = readMigrations(domain)
  const draft = await asAdministrator(adminUrl, (client) =>
    inShadow(client, domain, migrations, () => draftChange(client, domain)),
  )
  if (!draft) return undefined
  const folder = join(domain.directory, 'migrations')
  const created = `${timestampAfter(migrations.at(-1)?.name)}_${name}`
  const path = join(folder, created, 'migration.sql')
  mkdirSync(join(folder, created), { recursive: true })
  writeFileSync(path, draft.sql, { flag: 'wx' })
  writeLockfile(folder)
  log?.(`${domain.name}: wrote ${path}; read it, then db:migrate`)
  for (const warning of draft.warnings) log?.(`${domain.name}: warning: ${warning}`)
  return { name: created, path, ...draft }
}

/** What `createMigration` would write for the change of schema.prisma; undefined when the migrations make what it says. */
export async function unwrittenChange(
  options: Pick<CreateMigrationOptions, 'adminUrl' | 'domain'>,
): Promise<string | undefined> {
  const { adminUrl, domain } = options
  const draft = await asAdministrator(adminUrl, (client) =>
    inShadow(client, domain, readMigrations(domain), () => draftChange(client, domain)),
  )
  return draft?.sql
}

/** Without this file Prisma's own command line, for whoever has it, takes the folder for no migrations at all. */
function writeLockfile(folder: string): void {
  const path = join(folder, 'migration_lock.toml')
  if (!existsSync(path)) writeFileSync(path, 'provider = "postgresql"\n')
}

type Draft = Pick<CreatedMigration, 'sql' | 'warnings' | 'violations'>

async function draftChange(client: pg.Client, domain: DomainSchema): Promise<Draft | undefined> {
  const script = await sqlForChange(client, domain)
  if (!script) return undefined
  // Prisma recreates an enum between BEGIN and COMMIT; a migration is one transaction already.
  const change = script.replace(/^(BEGIN|COMMIT);\n?/gm, '')
  refuseNewValuesInUse(domain, change)
  const before = await takeSnapshot(client, domain.name)
  const known = new Set((await violationsOf(client, domain)).map(({ message }) => message))
  await tryOut(client, domain, change)
  const after = await takeSnapshot(client, domain.name)
  const protection = await protectionOf(client, domain, new Set(before.columns.map(({ table }) => table)))
  await tryOut(client, domain, protection.join('\n'))

  const warnings = warningsOf(before, after)
  const header =
    warnings.length > 0 ? `/*\n  Warnings:\n\n${warnings.map((line) => `  - ${line}\n`).join('')}\n*/\n` : ''
  const footer = protection.length > 0 ? `\n${protection.join('\n')}\n` : ''
  const violations = (await violationsOf(client, domain)).filter(({ message }) => !known.has(message))
  return { sql: `${header}${change.trim()}\n${footer}`, warnings, violations }
}

async function tryOut(client: pg.Client, domain: DomainSchema, sql: string): Promise<void> {
  try {
    await runScript(client, domain.name, sql)
  } catch (error) {
    throw notAtOnce(domain, reason(error), error)
  }
}

/** PostgreSQL refuses a value of an enum in the transaction that adds it, except where that made the enum: as the shadow did. */
function refuseNewValuesInUse(domain: DomainSchema, sql: string): void {
  for (const [, value] of sql.matchAll(/ ADD VALUE ('(?:[^']|'')*')/g)) {
    if (sql.split(value!).length > 2) throw notAtOnce(domain, `the enum's new value ${value} is used as well`)
  }
}

function notAtOnce(domain: DomainSchema, why: string, cause?: unknown): MigrationError {
  return new MigrationError(
    'MIGRATION_FAILED',
    `${domain.name}: PostgreSQL would refuse one migration to what schema.prisma says: ${why}; go there in several`,
    { cause },
  )
}

/** The calls that protect tables which are not yet: row security and grants for those of tenants, grants for global ones. */
async function protectionOf(client: pg.Client, domain: DomainSchema, existing: ReadonlySet<string>): Promise<string[]> {
  const { rows } = await client.query<{ table: string; quoted: string; tenant: boolean; secured: boolean }>(
    `SELECT relname AS table, quote_ident(relname) AS quoted, relforcerowsecurity AS secured,
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id' AND NOT attisdropped) AS tenant
     FROM pg_class c WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind IN ('r', 'p') ORDER BY c.oid`,
    [domain.name],
  )
  return rows.flatMap(({ table, quoted, tenant, secured }) => {
    if (tenant) return secured ? [] : `SELECT app.tenant_table(${pg.escapeLiteral(quoted)});`
    if (existing.has(table)) return []
    const reason = domain.globalTables[table]
    if (reason) return `SELECT app.global_table(${pg.escapeLiteral(quoted)}, ${pg.escapeLiteral(reason)});`
    throw new MigrationError(
      'UNCLASSIFIED_TABLE',
      `${domain.name}: the new table ${table} has no tenant_id; give its model one, first in every key, ` +
        'or list the table in globalTables with the reason why it has none',
    )
  })
}

/** Now, as Prisma writes it in UTC, or the second after the latest migration if that is later: order is by name. */
export function timestampAfter(latest: string | undefined, time = new Date()): string {
  const stamp = (date: Date) => date.toISOString().replace(/\D/g, '').slice(0, 14)
  const now = stamp(time)
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(latest ?? '') ?? []
  if (parts.length === 0 || parts.join('') < now) return now
  const [year, month, day, hour, minute, second] = parts.map(Number) as [number, number, number, number, number, number]
  return stamp(new Date(Date.UTC(year, month - 1, day, hour, minute, second + 1)))
}
