/** Prisma's schema engine, compiled to WebAssembly, on one connection of ours. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { quote } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'

/**
 * The SQL that turns the domain's schema, as this connection's transaction sees it, into what `schema.prisma` says; undefined
 * when it is that already.
 */
export async function sqlForChange(
  client: pg.Client,
  { name: domain, directory }: DomainSchema,
): Promise<string | undefined> {
  // Imported when it is needed: megabytes of WebAssembly that serving never needs.
  const { SchemaEngine } = await import('@prisma/schema-engine-wasm')
  const path = join(directory, 'schema.prisma')
  const files = [{ path, content: readFileSync(path, 'utf8') }]
  // With the domain's schema alone on the path PostgreSQL prints `app.tid()`, as schema.prisma has it.
  await client.query(`SET LOCAL search_path = ${quote(domain)}`)
  const adapter = new PrismaPg(new OneConnection(client), { schema: domain })
  const engine = await SchemaEngine.new(
    { datamodels: files.map(({ path, content }) => [path, content]) },
    () => {},
    bindMigrationAwareSqlAdapterFactory(adapter),
  )
  try {
    const { exitCode, stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: directory },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    })
    return exitCode === CHANGED ? stdout!.trim() : undefined
  } finally {
    engine.free()
  }
}

const CHANGED = 2

/** What the adapter takes for a pool: every query goes to the one connection whose transaction sees the shadow. */
class OneConnection extends pg.Pool {
  readonly #client: pg.Client

  constructor(client: pg.Client) {
    super()
    this.#client = client
  }

  // biome-ignore lint/suspicious/noExplicitAny: pg declares a dozen overloads, of which the adapter uses one.
  override async query(query: any): Promise<any> {
    const result = await this.#client.query(query)
    // The adapter can't read PostgreSQL's internal type "char", of which the engine asks columns.
    for (const field of result.fields)
      if (field.dataTypeID === pg.types.builtins.CHAR) field.dataTypeID = pg.types.builtins.TEXT
    return result
  }
}
