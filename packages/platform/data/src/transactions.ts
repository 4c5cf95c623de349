import { randomUUID } from 'node:crypto'
import { Problem } from '@offshoot/rpc'
import { apart } from '@offshoot/telemetry'
import pg from 'pg'
import { databaseUnavailable, explainFailure } from './failures.ts'
import { FairQueue } from './fair-queue.ts'
import { type PoolUsage, usageOf } from './gauges.ts'
import type { Observed } from './observed.ts'
import { patience } from './patience.ts'
import { statementTimeout } from './statements.ts'
import { type Begin, prepareToEnter, TenantQuery } from './tenant-query.ts'

/** How long a transaction may stand still between two statements, in ms; PostgreSQL ends it. */
export const idleTimeout = 5_000
/** How long a transaction waits for a connection, in ms. */
const longestWait = 1_000

interface Waiting {
  tenant: string
  grant(): void
}

/** What Prisma's adapter uses of a `pg.PoolClient`. */
export interface TransactionConnection {
  query(config: pg.QueryConfig): Promise<pg.QueryResult>
  release(error?: unknown): void
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  /** Ends the transaction now, whatever it is doing: its connection is destroyed and its statement cancelled. */
  abandon(): void
}

export interface Transactions {
  open(tenant: string): Promise<TransactionConnection>
  usage(): PoolUsage
  close(): Promise<void>
}

/**
 * Connections for transactions, one transaction on each at a time. BEGIN, the tenant and the first statement leave in one round
 * trip. One tenant has at most three quarters of the connections, and tenants take turns when all are busy.
 */
export function openTransactions(
  config: pg.ClientConfig,
  connections: number,
  observed: Observed,
  longestStatement: number = statementTimeout,
): Transactions {
  const pool = new pg.Pool({
    ...config,
    max: connections,
    connectionTimeoutMillis: longestWait,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: longestStatement,
    idle_in_transaction_session_timeout: Math.max(idleTimeout, longestStatement),
    onConnect(client) {
      client.on('error', () => {}) // its next statement says so
      return prepareToEnter(client)
    },
  })
  pool.on('error', () => {}) // an idle connection was lost; the pool opens another when needed
  const share = Math.max(1, Math.ceil(connections * 0.75))
  const held = new Map<string, number>()
  const queue = new FairQueue<Waiting>()
  let free = connections

  const mayHold = (tenant: string) => free > 0 && (held.get(tenant) ?? 0) < share

  function hold(tenant: string): void {
    free--
    held.set(tenant, (held.get(tenant) ?? 0) + 1)
  }

  function letGo(tenant: string): void {
    free++
    const rest = held.get(tenant)! - 1
    if (rest > 0) held.set(tenant, rest)
    else held.delete(tenant)
    const next = queue.shift(mayHold)
    if (next) {
      hold(next.tenant)
      next.grant()
    }
  }

  function permit(tenant: string): Promise<void> {
    if (!queue.has(tenant) && mayHold(tenant)) {
      hold(tenant)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        tenant,
        grant() {
          served()
          resolve()
        },
      }
      const served = patience(longestWait, () => {
        queue.remove(tenant, waiting)
        reject(databaseUnavailable(new Error(`No connection for a transaction became free within ${longestWait} ms.`)))
      })
      queue.push(tenant, waiting)
    })
  }

  async function open(tenant: string): Promise<TransactionConnection> {
    await permit(tenant)
    try {
      const client = await apart(() => pool.connect())
      return transactionOn(client, tenant, pool, observed, () => letGo(tenant))
    } catch (error) {
      letGo(tenant)
      throw error instanceof Problem ? error : databaseUnavailable(error) // whatever keeps a session from beginning
    }
  }

  return {
    open: (tenant) => observed.connection('transactions', () => open(tenant)),
    usage: () => ({ ...usageOf(pool), pending: queue.size }),
    close: () => pool.end(),
  }
}

/** Whether a connection has no transaction open, and nothing left to do. */
function isIdle(client: pg.PoolClient): boolean {
  const { readyForQuery, _txStatus } = client as unknown as { readyForQuery: boolean; _txStatus: string }
  return readyForQuery && _txStatus === 'I'
}

/** At the end of a transaction's last statement: COMMIT leaves together with it, and spares a round trip. No statement of a use case can say so by accident. */
export const thenCommit = ` /* then commit ${randomUUID()} */`

const isolation = /^SET TRANSACTION (ISOLATION LEVEL .+)$/

/** BEGIN (and the isolation level) are held back until the first statement, and leave together with it and the tenant; COMMIT leaves with the last one, where that is told. */
function transactionOn(
  client: pg.PoolClient,
  tenant: string,
  pool: pg.Pool,
  observed: Observed,
  onEnd: () => void,
): TransactionConnection {
  let begin: Begin | undefined
  let ended = false
  let committed = false
  const nothing = { command: '', rowCount: 0, oid: 0, fields: [], rows: [] } as pg.QueryResult

  async function send(config: pg.QueryConfig): Promise<pg.QueryResult> {
    // By now the connection may be in another tenant's transaction.
    if (ended) throw new Error('This transaction has ended. Await everything inside of it.')
    if (config.text === 'BEGIN') {
      begin = 'BEGIN'
      return nothing
    }
    if (committed) return { ...nothing, command: config.text } // COMMIT, which is done
    if (begin !== undefined) {
      const level = isolation.exec(config.text)
      if (level) begin = `BEGIN ${level[1]}` as Begin
      if (level || /^(COMMIT|ROLLBACK)$/.test(config.text)) return nothing
    }
    const last = config.text.endsWith(thenCommit)
    if (begin !== undefined || last) {
      const text = last ? config.text.slice(0, -thenCommit.length) : config.text
      const opening = begin
      begin = undefined
      const send = () =>
        new Promise<pg.QueryResult>((resolve, reject) => {
          const query = new TenantQuery({ ...config, text }, tenant, opening, last)
          query.callback = (error, result) => (error ? reject(error) : resolve(result))
          apart(() => client.query(query as never))
        })
      const result = await observed.statement(text, tenant, send)
      committed = last
      return result
    }
    const result = await observed.statement(config.text, tenant, () => apart(() => client.query(config)))
    if (config.text === 'COMMIT' && result.command !== 'COMMIT') {
      throw new Error(
        'The transaction could not be committed: a statement in it had failed. PostgreSQL rolled it back.',
      )
    }
    return result
  }

  return {
    query: (config) =>
      send(config).catch((error) => {
        throw explainFailure(error)
      }),
    release(error) {
      if (ended) return
      ended = true
      client.release(error !== undefined || !isIdle(client))
      onEnd()
    },
    on: (event, listener) => client.on(event, listener),
    removeListener: (event, listener) => client.removeListener(event, listener),
    abandon() {
      if (ended) return
      ended = true
      const { processID } = client as unknown as { processID: number }
      client.release(true)
      onEnd()
      apart(() => pool.query('select pg_cancel_backend($1)', [processID])).catch(() => {}) // statement_timeout ends it otherwise
    },
  }
}
