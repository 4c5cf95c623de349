import { AsyncLocalStorage } from 'node:async_hooks'
import { Problem } from '@offshoot/rpc'
import { apart } from '@offshoot/telemetry'
import pg from 'pg'
import { connected, longestWait } from './connecting.ts'
import { databaseUnavailable, explainFailure } from './failures.ts'
import { FairQueue } from './fair-queue.ts'
import { type PoolUsage, usageOf } from './gauges.ts'
import type { Observed } from './observed.ts'
import { patience } from './patience.ts'
import { isRefusal } from './placement.ts'
import { nameStatement } from './statement-names.ts'
import { longestConnect, statementTimeout } from './statements.ts'
import { type Begin, prepareToEnter, TenantQuery } from './tenant-query.ts'

/** How long a transaction may stand still between two statements, in ms; PostgreSQL ends it. */
export const idleTimeout = 5_000

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
  /** Has these statements sent before COMMIT, the last of them together with it, which spares a round trip and what Prisma does for a statement. */
  conclude(statements: readonly Statement[]): void
  /** Ends the transaction now, whatever it is doing: its connection is destroyed and its statement cancelled. */
  abandon(): void
}

/** SQL and its values. */
export type Statement = readonly [text: string, ...values: unknown[]]

/** Leads from a transaction of Prisma's, which tells nobody, to its connection: set when the one is asked for, and filled when the other is opened. */
export const opening = new AsyncLocalStorage<{ connection?: TransactionConnection }>()

export interface Transactions {
  open(tenant: string): Promise<TransactionConnection>
  usage(): PoolUsage
  close(): Promise<void>
}

export interface TransactionsOptions {
  /** Each transaction's first statement, by which the domain's gate is passed. */
  gate: string
  /** In ms. */
  longestStatement?: number
  /** Once the domain has moved, and its gate is closed: who begins the transactions from then on. */
  successor?(): Promise<Transactions | undefined>
}

/**
 * Connections for transactions, one transaction on each at a time. BEGIN, the gate, the tenant and the first statement leave in one round
 * trip. One tenant has at most three quarters of the connections, and tenants take turns when all are busy.
 */
export function openTransactions(
  config: pg.ClientConfig,
  connections: number,
  observed: Observed,
  { gate, longestStatement = statementTimeout, successor = async () => undefined }: TransactionsOptions,
): Transactions {
  const pool = new pg.Pool({
    ...config,
    max: connections,
    connectionTimeoutMillis: longestConnect,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: longestStatement,
    idle_in_transaction_session_timeout: Math.max(idleTimeout, longestStatement),
    onConnect(client) {
      client.on('error', () => {}) // its next statement says so
      return prepareToEnter(client, gate)
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
      const client = await connected(() => pool.connect())
      return transactionOn(client, tenant, pool, { observed, gate, successor, onEnd: () => letGo(tenant) })
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

const isolation = /^SET TRANSACTION (ISOLATION LEVEL .+)$/

interface Surroundings {
  observed: Observed
  gate: string
  successor(): Promise<Transactions | undefined>
  onEnd(): void
}

/**
 * BEGIN (and the isolation level) are held back until the first statement, and leave together with it, the gate and the tenant; COMMIT leaves with the conclusion, where
 * there is one. So a gate that was closed is met by the first statement and by no other: the transaction begins anew where the domain is now, and whoever runs it does not notice.
 */
function transactionOn(
  client: pg.PoolClient,
  tenant: string,
  pool: pg.Pool,
  { observed, gate, successor, onEnd }: Surroundings,
): TransactionConnection {
  let begin: Begin | undefined
  let conclusion: readonly Statement[] = []
  let ended = false
  let elsewhere: TransactionConnection | undefined
  const listeners = new Set<(error: Error) => void>()
  const nothing = { command: '', rowCount: 0, oid: 0, fields: [], rows: [] } as pg.QueryResult

  async function send(config: pg.QueryConfig): Promise<pg.QueryResult> {
    // By now the connection may be in another tenant's transaction.
    if (ended) throw new Error('This transaction has ended. Await everything inside of it.')
    if (config.text === 'BEGIN') {
      begin = 'BEGIN'
      return nothing
    }
    if (config.text === 'COMMIT' && conclusion.length > 0) {
      await concluded()
      return { ...nothing, command: 'COMMIT' }
    }
    if (begin !== undefined) {
      const level = isolation.exec(config.text)
      if (level) begin = `BEGIN ${level[1]}` as Begin
      if (level || /^(COMMIT|ROLLBACK)$/.test(config.text)) return nothing
      return sendAsTenant(config, false)
    }
    const result = await observed.statement(config.text, tenant, () => apart(() => client.query(config)))
    if (config.text === 'COMMIT' && result.command !== 'COMMIT') {
      throw new Error(
        'The transaction could not be committed: a statement in it had failed. PostgreSQL rolled it back.',
      )
    }
    return result
  }

  async function beginElsewhere(begin: string, first: pg.QueryConfig, refusal: unknown): Promise<pg.QueryResult> {
    const next = await successor()
    if (!next || ended) throw refusal
    const connection = await next.open(tenant)
    if (ended) {
      connection.release()
      throw refusal
    }
    elsewhere = connection
    for (const listener of listeners) connection.on('error', listener)
    client.release(true)
    onEnd()
    await connection.query({ text: 'BEGIN' })
    if (begin !== 'BEGIN') await connection.query({ text: begin.replace('BEGIN', 'SET TRANSACTION') })
    return connection.query(first)
  }

  /** After BEGIN and the gate, where these were held back, and before COMMIT, where nothing is to follow. */
  async function sendAsTenant(config: pg.QueryConfig, last: boolean): Promise<pg.QueryResult> {
    const opening = begin && [begin, gate]
    begin = undefined
    const answered = () =>
      new Promise<pg.QueryResult>((resolve, reject) => {
        const query = new TenantQuery(config, tenant, opening, last)
        query.callback = (error, result) => (error ? reject(error) : resolve(result))
        apart(() => client.query(query as never))
      })
    try {
      return await observed.statement(config.text, tenant, answered)
    } catch (error) {
      if (!opening || !isRefusal(error)) throw error
      const result = await beginElsewhere(opening[0]!, config, error)
      if (last) await elsewhere!.query({ text: 'COMMIT' })
      return result
    }
  }

  async function concluded(): Promise<void> {
    const configs = conclusion.map(([text, ...values]) => ({ name: nameStatement({ sql: text }), text, values }))
    const last = configs.pop()!
    try {
      for (const config of configs) await (elsewhere ?? { query: send }).query(config)
      if (!elsewhere) await sendAsTenant(last, true)
      else {
        await elsewhere.query(last)
        await elsewhere.query({ text: 'COMMIT' })
      }
    } catch (error) {
      const rollback = { text: 'ROLLBACK' } // for Prisma COMMIT was the end
      if (!ended) await (elsewhere?.query(rollback) ?? apart(() => client.query(rollback))).catch(() => {})
      throw error
    }
  }

  return {
    query: (config) =>
      elsewhere
        ? elsewhere.query(config)
        : send(config).catch((error) => {
            throw explainFailure(error)
          }),
    release(error) {
      if (ended) return
      ended = true
      conclusion = [] // Prisma keeps its last hundred transactions
      if (elsewhere) return elsewhere.release(error)
      client.release(error !== undefined || !isIdle(client))
      onEnd()
    },
    conclude(statements) {
      if (elsewhere) elsewhere.conclude(statements)
      else conclusion = statements
    },
    on(event, listener) {
      listeners.add(listener)
      return (elsewhere ?? client).on(event, listener)
    },
    removeListener(event, listener) {
      listeners.delete(listener)
      client.removeListener(event, listener)
      return elsewhere?.removeListener(event, listener)
    },
    abandon() {
      if (ended) return
      ended = true
      if (elsewhere) return elsewhere.abandon()
      const { processID } = client as unknown as { processID: number }
      client.release(true)
      onEnd()
      apart(() => pool.query('select pg_cancel_backend($1)', [processID])).catch(() => {}) // statement_timeout ends it otherwise
    },
  }
}
