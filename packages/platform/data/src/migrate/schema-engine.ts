/** Prisma's schema engine, compiled to WebAssembly, on one connection of ours. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { quote } from './connection.ts'
import type { DomainSchema } from './domain-schema.ts'
import { MigrationError } from './errors.ts'
import { eventTables } from './event-tables.ts'

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
  const panic = listenForPanics()
  // With the domain's schema alone on the path PostgreSQL prints `app.tid()`, as schema.prisma has it.
  await client.query(`SET LOCAL search_path = ${quote(domain)}`)
  try {
    const engine = await SchemaEngine.new(
      { datamodels: files.map(({ path, content }) => [path, content]) },
      () => {},
      bindMigrationAwareSqlAdapterFactory(new OneConnection(client, domain)),
    )
    const diff = engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: directory },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: true,
      filters: { externalTables: eventTables.map((table) => `${domain}.${table}`), externalEnums: [] },
    })
    const { exitCode, stdout } = await Promise.race([diff, panic])
    engine.free()
    return exitCode === CHANGED ? stdout!.trim() : undefined
  } catch (error) {
    throw new MigrationError(
      'SCHEMA_REFUSED',
      `${domain}: Prisma refuses ${path}: ${(error as Error).message.trim()}`,
      {
        cause: error,
      },
    )
  }
}

const CHANGED = 2

/** Rejects when the engine panics: it then never answers. It finds its listener under this global name. */
function listenForPanics(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => reject(new Error(message)) },
  })
  return promise
}

/** Prisma's adapter, but everything goes to the one connection whose transaction sees the shadow. */
class OneConnection extends PrismaPg {
  readonly #pool: OneConnectionPool

  constructor(client: pg.Client, schema: string) {
    const pool = new OneConnectionPool(client)
    super(pool, { schema })
    this.#pool = pool
  }

  override async connect() {
    const connection = await super.connect()
    const queryRaw = connection.queryRaw.bind(connection)
    connection.queryRaw = async (query) => {
      const result = await queryRaw(query)
      for (const column of this.#pool.internalChars) result.columnTypes[column] = ColumnTypeEnum.Character
      return result
    }
    return connection
  }
}

class OneConnectionPool extends pg.Pool {
  readonly #client: pg.Client
  /** Columns of the last result whose type is PostgreSQL's internal "char": the engine asks for them, the adapter refuses them. */
  internalChars: number[] = []

  constructor(client: pg.Client) {
    super()
    this.#client = client
  }

  // biome-ignore lint/suspicious/noExplicitAny: pg declares a dozen overloads, of which the adapter uses one.
  override async query(query: any): Promise<any> {
    const result = await this.#client.query(query)
    this.internalChars = []
    for (const [column, field] of result.fields.entries()) {
      if (field.dataTypeID !== pg.types.builtins.CHAR) continue
      this.internalChars.push(column)
      field.dataTypeID = pg.types.builtins.TEXT
    }
    return result
  }
}
