import { PassThrough } from 'node:stream'
import pg from 'pg'
// @ts-expect-error: has no types
import utils from 'pg/lib/utils.js'
import { databaseUnavailable } from './failures.ts'

const { prepareValue } = utils as { prepareValue(value: unknown): unknown }

/**
 * One statement of one tenant, in one network round trip: `app.enter(tenant)` and the statement go out before a single Sync, so
 * that PostgreSQL runs both in one implicit transaction (protocol documentation, "Extended Query: Pipelining"). When `enter` fails
 * the server skips the statement; when the transaction ends the tenant is gone. The answer to `enter` is an echo of the tenant: it
 * proves whose rows follow, even if a connection's answers ever shifted by one.
 *
 * Leans on internals of `pg` (`Query.submit`, `Query.prepare`, `Query._getRows`, `Connection.parse/bind/execute`, the `handle…` methods), which is why
 * its version is pinned exactly and the tests go through each of them. Rows are arrays, as Prisma's adapter wants them; what `pg`
 * does for rows that are objects, and to copy its arguments, is left out (measured: 7 % of the throughput of primary-key reads).
 */
export class TenantQuery extends Query() {
  readonly #tenant: string
  readonly #opening: readonly string[]
  readonly #commit: boolean
  readonly #types: pg.CustomTypesConfig
  /** How many results come before the statement's own. */
  #preamble: number
  #echo: string | undefined
  #parsers: ((value: string) => unknown)[] = []
  #failure: Error | undefined
  /** Whether the statement's own result is complete; what follows is COMMIT's. */
  #complete = false
  readonly #answer: pg.QueryArrayResult = { command: '', rowCount: null, oid: 0, fields: [], rows: [] }

  /** `opening`: prepared statements that are sent first, when this one opens a transaction. `commit`: COMMIT follows in the same round trip, unless the statement fails. */
  constructor(
    { text, name, values, types = pg.types as pg.CustomTypesConfig }: pg.QueryConfig,
    tenant: string,
    opening: readonly string[] = nothing,
    commit = false,
  ) {
    super(text)
    this.name = name
    // Now, because a value that cannot be sent must fail before anything of the statement is on its way.
    this.values = values?.map(prepareValue)
    this.#types = types
    this.#tenant = tenant
    this.#opening = opening
    this.#commit = commit
    this.#preamble = opening.length + 1
  }

  override requiresPreparation(): boolean {
    return true
  }

  override prepare(connection: Connection): void {
    for (const statement of this.#opening) sendPrepared(connection, statement, [])
    if (connection.stream.writable) connection.stream.write(entering(this.#tenant))
    super.prepare(connection)
  }

  override _getRows(connection: Connection, rows: number | undefined): void {
    if (this.#commit) {
      connection.execute({ portal: '', rows: 0 })
      sendPrepared(connection, 'COMMIT', [])
      connection.sync()
    } else super._getRows(connection, rows)
  }

  override handleRowDescription({ fields }: { fields: pg.FieldDef[] }): void {
    this.#answer.fields = fields
    this.#parsers = fields.map(({ dataTypeID }) => this.#types.getTypeParser(dataTypeID, 'text'))
  }

  override handleDataRow({ fields }: { fields: (string | null)[] }): void {
    if (this.#preamble > 0) {
      this.#echo = String(fields[0])
    } else if (!this.#failure) {
      try {
        this.#answer.rows.push(fields.map((value, i) => (value === null ? null : this.#parsers[i]!(value))))
      } catch (error) {
        this.#failure = error as Error
      }
    }
  }

  override handleCommandComplete({ text }: { text: string }, connection: Connection): void {
    if (this.#preamble > 0) {
      this.#preamble--
      // Nothing read from this connection can be trusted any more, for anybody.
      if (this.#preamble === 0 && this.#echo !== this.#tenant) connection.stream.destroy(strangeAnswer())
    } else if (!this.#complete) {
      this.#complete = true
      const words = text.split(' ') // `SELECT 2`, `INSERT 0 2`, `CREATE TABLE`
      const count = Number(words.at(-1))
      this.#answer.command = words[0]!
      this.#answer.rowCount = Number.isNaN(count) ? null : count
    }
  }

  override handleReadyForQuery(connection: Connection): void {
    // What arrived together with a wrong echo is still handed out by `pg` after the connection was destroyed.
    const failure = connection.stream.destroyed ? strangeAnswer() : this.#failure
    if (failure) this.handleError(failure, connection)
    else this.callback!(null, this.#answer)
  }
}

const strangeAnswer = () =>
  databaseUnavailable(
    new Error('The connection was destroyed: it answered for another tenant than the one that was asked for.'),
  )

const nothing: readonly string[] = []
const enter = 'select app.enter($1)'
const begins = [
  'BEGIN',
  'BEGIN ISOLATION LEVEL READ COMMITTED',
  'BEGIN ISOLATION LEVEL REPEATABLE READ',
  'BEGIN ISOLATION LEVEL SERIALIZABLE',
] as const
export type Begin = (typeof begins)[number]

/**
 * Prepares on a new connection, in one round trip, what `TenantQuery` sends first, and what else it is to send there; each statement's name is its text. Prepared
 * beforehand, because `pg` takes the first ParseComplete that it sees for the one of the query's own statement.
 */
export function prepareToEnter(client: pg.ClientBase, ...others: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const preparation = new Preparation(others)
    preparation.callback = (error) => (error ? reject(error) : resolve())
    client.query(preparation as never)
  })
}

class Preparation extends Query() {
  readonly #others: readonly string[]

  constructor(others: readonly string[]) {
    super(enter)
    this.#others = others
  }

  override requiresPreparation(): boolean {
    return true
  }

  override prepare(connection: Connection): void {
    for (const text of [enter, ...begins, 'COMMIT', ...this.#others]) connection.parse({ name: text, text, types: [] })
    connection.sync()
  }
}

/** How many tenants' `entering` is kept. */
const mostTenants = 1_000
const messages = new Map<string, Buffer>()

/** The messages that enter a tenant. They are the same for each of its statements, and there are many. */
function entering(tenant: string): Buffer {
  let message = messages.get(tenant)
  if (message === undefined) {
    const parts: Buffer[] = []
    const stream = Object.assign(new PassThrough(), { write: (part: Buffer) => parts.push(part) })
    sendPrepared(new pg.Connection({ stream } as never) as never, enter, [tenant])
    message = Buffer.concat(parts)
    if (messages.size >= mostTenants) messages.clear()
    messages.set(tenant, message)
  }
  return message
}

function sendPrepared(connection: Pick<Connection, 'bind' | 'execute'>, statement: string, values: unknown[]): void {
  connection.bind({ statement, values, valueMapper: (value) => value })
  connection.execute({ portal: '', rows: 0 })
}

/** The part of `pg`'s connection that is used here. */
interface Connection {
  stream: import('node:stream').Duplex
  parse(message: { name: string; text: string; types: number[] }): void
  bind(message: { statement: string; values: unknown[]; valueMapper: (value: unknown) => unknown }): void
  execute(message: { portal: string; rows: number }): void
  sync(): void
}

type QueryClass = new (
  text: string,
) => {
  name: string | undefined
  values: unknown[] | undefined
  callback?: (error: Error | null, result: pg.QueryArrayResult) => void
  requiresPreparation(): boolean
  prepare(connection: Connection): void
  _getRows(connection: Connection, rows: number | undefined): void
  handleRowDescription(message: { fields: pg.FieldDef[] }): void
  handleDataRow(message: { fields: (string | null)[] }): void
  handleCommandComplete(message: { text: string }, connection: Connection): void
  handleReadyForQuery(connection: Connection): void
  handleError(error: Error, connection: Connection): void
}

/** `pg.Query` with the members that its published types leave out. */
function Query(): QueryClass {
  return pg.Query as unknown as QueryClass
}
