import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DomainSchema } from '../src/migrate/index.ts'

/** A domain whose `prisma` folder a test may change. */
export interface DomainFolder extends DomainSchema {
  /** Rewrites schema.prisma. */
  editSchema(edit: (schema: string) => string): void
  /** Writes a migration, or writes it anew. */
  writeMigration(name: string, sql: string): void
  deleteMigration(name: string): void
  migrations(): string[]
}

/** A copy of the test domain `shop`, or an empty domain of another name, in a folder that the system forgets. */
export function domainFolder(name = 'shop', rest: Partial<DomainSchema> = {}): DomainFolder {
  const directory = join(mkdtempSync(join(tmpdir(), 'offshoot-domain-')), 'prisma')
  const migrations = join(directory, 'migrations')
  const schema = join(directory, 'schema.prisma')
  if (name === 'shop') cpSync(join(import.meta.dirname, 'shop', 'prisma'), directory, { recursive: true })
  else mkdirSync(migrations, { recursive: true })
  return {
    name,
    directory,
    globalTables: name === 'shop' ? { country: 'for tests of global tables' } : {},
    ...rest,
    editSchema: (edit) => writeFileSync(schema, edit(readFileSync(schema, 'utf8'))),
    writeMigration(migration, sql) {
      mkdirSync(join(migrations, migration), { recursive: true })
      writeFileSync(join(migrations, migration, 'migration.sql'), sql)
    },
    deleteMigration: (migration) => rmSync(join(migrations, migration), { recursive: true }),
    migrations: () => readdirSync(migrations).sort(),
  }
}
