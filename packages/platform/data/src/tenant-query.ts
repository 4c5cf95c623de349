import pg from 'pg'

/**
 * One statement of one tenant, in one network round trip: `app.enter(tenant)` and the statement go out before a single Sync, so
 * that PostgreSQL runs both in one implicit transaction (protocol documentation, "Extended Query: Pipelining"). When `enter` fails
 * the server skips the statement; when the transaction ends the tenant is gone. The answer to `enter` is an echo of the tenant: it
 * proves whose rows follow, even if a connection's answers ever shifted by one.
 *
 * Leans on internals of `pg` (`Query.prepare`, `Connection.parse/bind/execute`), which is why its version is pinned exactly and the
 * tests name each of them.
 */
export class TenantQuery extends Query() {
  readonly #tenant: string
  readonly #begin: string | undefined
  /** How many results come before the statement's own. */
  #preamble: number
  #echo: string | undefined

  /** `begin`: a BEGIN statement to send first, when this statement opens a transaction. */
  constructor(config: pg.QueryConfig, tenant: string, begin?: string) {
    super(config)
    this.#tenant = tenant
    this.#begin = begin
    this.#preamble = begin ? 2 : 1
  }

  override requiresPreparation(): boolean {
    return true
  }

  override prepare(connection: Connection): void {
    if (this.#begin) {
      connection.parse({ name: '', text: this.#begin, types: [] })
      connection.bind({ statement: '', values: [], valueMapper: asIs })
      connection.execute({ portal: '', rows: 0 })
    }
    connection.bind({ statement: enterStatement.name, values: [this.#tenant], valueMapper: asIs })
    connection.execute({ portal: '', rows: 0 })
    super.prepare(connection)
  }

  override handleDataRow(message: { fields: (string | Buffer | null)[] }): void {
    if (this.#preamble > 0) this.#echo = String(message.fields[0])
    else super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#preamble === 0) return super.handleCommandComplete(message, connection)
    this.#preamble--
    if (this.#preamble === 0 && this.#echo !== this.#tenant) {
      // Nothing read from this connection can be trusted any more, for anybody.
      connection.stream.destroy(new Error(`The database answered for tenant ${this.#echo} instead of ${this.#tenant}.`))
    }
  }
}

/** Prepared once per connection, see `prepareToEnter`. */
const enterStatement = { name: 'app.enter', text: 'select app.enter($1)' }
const nobody = '00000000-0000-0000-0000-000000000000'

/** Makes a new connection ready for `TenantQuery`. */
export async function prepareToEnter(client: pg.Client | pg.PoolClient): Promise<void> {
  await client.query({ ...enterStatement, values: [nobody] })
}

const asIs = (value: unknown) => value

/** The part of `pg`'s connection that `TenantQuery` uses. */
interface Connection {
  stream: import('node:stream').Duplex
  parse(message: { name: string; text: string; types: number[] }): void
  bind(message: { statement: string; values: unknown[]; valueMapper: (value: unknown) => unknown }): void
  execute(message: { portal: string; rows: number }): void
}

type QueryClass = new (
  config: pg.QueryConfig,
) => {
  callback?: (error: Error | null, result: pg.QueryArrayResult) => void
  requiresPreparation(): boolean
  prepare(connection: Connection): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: Connection): void
}

/** `pg.Query` with the methods that its published types leave out. */
function Query(): QueryClass {
  return pg.Query as unknown as QueryClass
}
