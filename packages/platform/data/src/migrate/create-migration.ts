import type { Violation } from './check-catalog.ts'
import type { DomainSchema } from './domain-schema.ts'

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
  /** What the migration may lose or may fail at, in Prisma's words. */
  readonly warnings: readonly string[]
  /** What `checkCatalog` would say once it is applied. */
  readonly violations: readonly Violation[]
}

/** Writes the migration that turns what the domain's migrations make into what `schema.prisma` says; undefined when nothing changed. */
export async function createMigration(_options: CreateMigrationOptions): Promise<CreatedMigration | undefined> {
  throw new Error('not there yet')
}
