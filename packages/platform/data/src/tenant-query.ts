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
 * Leans on internals of `pg` (`Query.prepare`, `Query._getRows`, `Connection.parse/bind/execute`), which is why its version is pinned exactly and the
 * tests name each of them.
 */
export class TenantQuery extends Query() {
  readonly #tenant: string
  readonly #begin: Begin | undefined
  readonly #commit: boolean
  #complete = false
  /** How many results come before the statement's own. */
  #preamble: number
  #echo: string | undefined

  /** `begin`: sent first, when this statement opens a transaction. `commit`: COMMIT follows in the same round trip, unless the statement fails. */
  constructor(config: pg.QueryConfig, tenant: string, begin?: Begin, commit = false) {
    super(config)
    // Now, because a value that cannot be sent must fail before anything of the statement is on its way.
    if (this.values) this.values = this.values.map(prepareValue)
    this.#tenant = tenant
    this.#begin = begin
    this.#commit = commit
    this.#preamble = begin ? 2 : 1
  }

  override requiresPreparation(): boolean {
    return true
  }

  override prepare(connection: Connection): void {
    if (this.#begin) sendPrepared(connection, this.#begin, [])
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

  override handleDataRow(message: { fields: (string | Buffer | null)[] }): void {
    if (this.#preamble > 0) this.#echo = String(message.fields[0])
    else super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#preamble === 0) {
      if (!this.#complete) super.handleCommandComplete(message, connection) // what follows is COMMIT's
      this.#complete = true
      return
    }
    this.#preamble--
    // Nothing read from this connection can be trusted any more, for anybody.
    if (this.#preamble === 0 && this.#echo !== this.#tenant) connection.stream.destroy(strangeAnswer())
  }

  override handleReadyForQuery(connection: Connection): void {
    // What arrived together with a wrong echo is still handed out by `pg` after the connection was destroyed.
    if (connection.stream.destroyed) this.handleError(strangeAnswer(), connection)
    else super.handleReadyForQuery(connection)
  }
}

const strangeAnswer = () =>
  databaseUnavailable(
    new Error('The connection was destroyed: it answered for another tenant than the one that was asked for.'),
  )

const enter = 'select app.enter($1)'
const begins = [
  'BEGIN',
  'BEGIN ISOLATION LEVEL READ COMMITTED',
  'BEGIN ISOLATION LEVEL REPEATABLE READ',
  'BEGIN ISOLATION LEVEL SERIALIZABLE',
] as const
export type Begin = (typeof begins)[number]

/**
 * Prepares on a new connection, in one round trip, what `TenantQuery` sends first; each statement's name is its text. Prepared
 * beforehand, because `pg` takes the first ParseComplete that it sees for the one of the query's own statement.
 */
export function prepareToEnter(client: pg.ClientBase): Promise<void> {
  return new Promise((resolve, reject) => {
    const preparation = new Preparation({ text: enter })
    preparation.callback = (error) => (error ? reject(error) : resolve())
    client.query(preparation as never)
  })
}

class Preparation extends Query() {
  override requiresPreparation(): boolean {
    return true
  }

  override prepare(connection: Connection): void {
    for (const text of [enter, ...begins, 'COMMIT']) connection.parse({ name: text, text, types: [] })
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
  config: pg.QueryConfig,
) => {
  values: unknown[] | undefined
  callback?: (error: Error | null, result: pg.QueryArrayResult) => void
  requiresPreparation(): boolean
  prepare(connection: Connection): void
  _getRows(connection: Connection, rows: number | undefined): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: Connection): void
  handleReadyForQuery(connection: Connection): void
  handleError(error: Error, connection: Connection): void
}

/** `pg.Query` with the methods that its published types leave out. */
function Query(): QueryClass {
  return pg.Query as unknown as QueryClass
}
