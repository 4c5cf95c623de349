/** The migrations of a domain: as its folder has them, and as its database remembers them. Both in Prisma's format. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from 'pg'
import { quote } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError } from './errors.ts'
import { jobsVersion } from './jobs.ts'

/** One migration of the folder `migrations/<name>/migration.sql`. */
export interface Migration {
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file, in hexadecimal, as Prisma records it. */
  readonly checksum: string
}

/** A migration as the database remembers it. */
export interface AppliedMigration {
  readonly migration_name: string
  readonly checksum: string
  readonly finished_at: Date | null
}

/** The folder's migrations, oldest first. */
export function readMigrations({ name: domain, directory }: DomainSchema): Migration[] {
  const folder = join(directory, 'migrations')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const file = join(folder, name, 'migration.sql')
      if (!existsSync(file)) {
        throw new MigrationError(
          'MIGRATION_MISSING',
          `${domain}: ${file} does not exist; write it or delete its folder`,
        )
      }
      const sql = readFileSync(file, 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
}

/** Prisma's own table, created as Prisma creates it. */
export async function ensureHistory(client: Client, domain: string): Promise<void> {
  await client.query(`
    CREATE TABLE IF NOT EXISTS ${quote(domain)}._prisma_migrations (
      id                  VARCHAR(36) PRIMARY KEY NOT NULL,
      checksum            VARCHAR(64) NOT NULL,
      finished_at         TIMESTAMPTZ,
      migration_name      VARCHAR(255) NOT NULL,
      logs                TEXT,
      rolled_back_at      TIMESTAMPTZ,
      started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
      applied_steps_count INTEGER NOT NULL DEFAULT 0
    )`)
}

/**
 * The folder's migrations that the database has yet to apply. Refuses a history that the folder can't continue: an
 * edited or missing file, or a migration that another tool left half applied.
 */
export async function pendingMigrations(client: Client, domain: DomainSchema): Promise<Migration[]> {
  const folder = readMigrations(domain)
  const applied = await appliedMigrations(client, domain.name)
  const [problem] = historyProblems(domain, folder, applied)
  if (problem) throw problem
  const names = new Set(applied.map(({ migration_name }) => migration_name))
  return folder.filter(({ name }) => !names.has(name))
}

/** Why the folder can't continue the history of the database; empty when it can. */
export function historyProblems(
  domain: DomainSchema,
  folder: readonly Migration[],
  applied: readonly AppliedMigration[],
): MigrationError[] {
  const byName = new Map(folder.map((migration) => [migration.name, migration]))
  return applied.flatMap(({ migration_name: name, checksum, finished_at }) => {
    const file = byName.get(name)
    if (!finished_at) {
      return new MigrationError(
        'MIGRATION_FAILED',
        `${domain.name}: migration ${name} was begun by another tool and never finished; put the database right by hand, ` +
          `then: UPDATE ${domain.name}._prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}'`,
      )
    }
    if (!file) {
      return new MigrationError(
        'MIGRATION_MISSING',
        `${domain.name}: the database has applied ${name}, which ${domain.directory}/migrations doesn't have; ` +
          'restore the folder from version control, or start this program in the version that the database belongs to',
      )
    }
    if (file.checksum !== checksum) {
      return new MigrationError(
        'MIGRATION_EDITED',
        `${domain.name}: migration ${name} was edited after it had been applied; restore the file and write a new migration`,
      )
    }
    return []
  })
}

/** Applied migrations, oldest first; those that were rolled back don't count. Empty when nothing was ever migrated. */
export async function appliedMigrations(client: Client, domain: string): Promise<AppliedMigration[]> {
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS exists', [
    `${quote(domain)}._prisma_migrations`,
  ])
  if (!rows[0].exists) return []
  const history = await client.query<AppliedMigration>(
    `SELECT migration_name, checksum, finished_at FROM ${quote(domain)}._prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name`,
  )
  return history.rows
}

/**
 * Identifies the structure that `migrate` makes of `domains`: their names, their migrations and the code that
 * provisions them.
 */
export function structureHash(domains: readonly DomainSchema[]): string {
  const hash = createHash('sha256').update(String(jobsVersion))
  for (const file of readdirSync(import.meta.dirname).sort()) hash.update(readFileSync(join(import.meta.dirname, file)))
  for (const domain of domains) {
    hash.update(`\0${domain.name}`)
    for (const { name, checksum } of readMigrations(domain)) hash.update(`\0${name}\0${checksum}`)
  }
  return hash.digest('hex')
}
