import type { TenantId } from '@offshoot/rpc'
import { apart } from '@offshoot/telemetry'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { connected } from './connecting.ts'
import { explainFailure, explainPrismaFailure } from './failures.ts'
import { FollowingPool } from './following-pool.ts'
import { contribute, tellPool, usageOf } from './gauges.ts'
import type { Lane } from './lane.ts'
import { laneHandles, revoked, type Unit } from './lane-handle.ts'
import { passGate } from './migrate/placement.ts'
import { type Model, modelsOf } from './models.ts'
import { type Observed, observedBy } from './observed.ts'
import { findPlacement } from './placement.ts'
import { assertServingRole } from './serving-role.ts'
import { nameStatement } from './statement-names.ts'
import { longestConnect, openStatements, type Statements, statementTimeout } from './statements.ts'
import {
  idleTimeout,
  opening,
  openTransactions,
  type TransactionConnection,
  type Transactions,
} from './transactions.ts'

export interface LanesOptions<Client> {
  /** The serving role's URL. */
  url: string
  /** The domain's PostgreSQL schema. */
  schema: string
  /** What the passwords of roles derive from (`APP_SECRET`). With it the lanes follow the domain when it moves to another database; without it they end with UNAVAILABLE there. */
  secret?: string
  /** Makes the domain's generated client on an adapter. */
  prisma(adapter: PrismaPg): Client
  /** Connections shared by single statements, all but the first opened when needed. Default 4: more are no faster on two processors (measured), and a server has about 100 for everybody. */
  statementConnections?: number
  /** Connections for transactions, opened when needed. Default 8. */
  transactionConnections?: number
  /** How long a transaction may take, and each of its statements, in ms: for work that nobody waits for. Default 10 s, and 2 s. */
  transactionTimeout?: number
  /** Told of every statement that is sent on behalf of a tenant; for tests. */
  onStatement?(sql: string, tenant: string): void
  /** Told after each commit that emitted events. */
  onEmitted?(): void
}

/** A lane while it is checked out. */
export interface LaneLease<Client> {
  readonly lane: Lane<Client>
  /** Whether a transaction of this lane is open now. */
  readonly inTransaction: boolean
  /** Hands the lane back. The handle is revoked: later statements through it fail, and an open transaction is abandoned. */
  close(): void
}

export interface Lanes<Client> {
  /** Checks a lane out for a unit of work of `tenant`. */
  open(tenant: TenantId): LaneLease<Client>
  /** Runs `work` in a lane of its own. */
  use<T>(tenant: TenantId, work: (db: Lane<Client>) => Promise<T>): Promise<T>
  /** The domain's tables without a tenant; row security refuses every tenant table, so that only global tables can be read. */
  readonly global: Client
  ping(): Promise<void>
  close(): Promise<void>
}

/** Lanes kept for the next unit of work. One costs 3 ms to make and 1 MB to keep; more than this are only needed in a burst. */
const mostIdle = 64

/** As PostgreSQL writes it: `app.enter` echoes it, and the echo is compared. */
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface LaneUnit extends Unit {
  alive: boolean
  readonly transactions: Set<TransactionConnection>
}

/**
 * Opens the lanes of one domain. Refuses a role that could evade row security, wherever the domain is and moves to.
 *
 * A lane is a PrismaClient whose driver adapter is bound to one tenant for one unit of work. Nothing about the tenant is ambient:
 * Prisma collects the `findUnique` calls of a tick and sends them as one statement in the context of the first caller, so that a
 * client shared by tenants, with the tenant in AsyncLocalStorage, reads one tenant's rows as another. A lane's client is never shared,
 * so that whatever Prisma batches or runs late belongs to the same unit of work.
 *
 * Invariant: a client that is handed back is used again only when Prisma has nothing left running in it; otherwise it is thrown
 * away, still bound to its dead unit, and its late statements fail.
 */
export async function openLanes<Client extends object>(options: LanesOptions<Client>): Promise<Lanes<Client>> {
  const { url, schema, secret } = options
  const placement = await findPlacement({ url, schema, secret, role: 'serving' })
  let here = await openConnections(options, placement.url, successorOf)
  let moving: Promise<Connections> | undefined
  const left = new Set<Connections>()
  const makeLane = laneMaker(options, () => here)
  const idle: PhysicalLane<Client>[] = []
  let used = 0

  /** Connections to where the domain is now, if that is elsewhere than where these ones lead. */
  async function successorOf(connections: Connections): Promise<Connections | undefined> {
    if (connections !== here) return here
    if (!(await placement.hasLeft(connections.url))) return undefined
    if (connections !== here) return here
    moving ??= openConnections(options, placement.url, successorOf)
      .then((opened) => {
        left.add(here)
        leave(here)
        here = opened
        return opened
      })
      .finally(() => {
        moving = undefined
      })
    return moving
  }

  /** What waits there for its turn is refused first, and follows. */
  function leave(connections: Connections): void {
    setTimeout(() => {
      left.delete(connections)
      connections.close()
    }, 2 * statementTimeout).unref()
  }

  const globalPool = new FollowingPool({
    present: () => here.global,
    successorOf: async (pool) => (pool === here.global ? await successorOf(here) : here)?.global,
    gate: passGate(schema),
  })
  const global = explainingFailures(
    options.prisma(new PrismaPg(globalPool, { schema: options.schema, statementNameGenerator: nameStatement })),
  )

  const closeGauges = contribute((add) => {
    const { schema: domain } = options
    tellPool(add, domain, 'statements', here.statements.usage())
    tellPool(add, domain, 'transactions', here.transactions.usage())
    tellPool(add, domain, 'global', usageOf(here.global))
    add('offshoot.lane.count', used, { domain, 'offshoot.lane.state': 'used' })
    add('offshoot.lane.count', idle.length, { domain, 'offshoot.lane.state': 'idle' })
  })

  function open(tenant: TenantId): LaneLease<Client> {
    if (!uuid.test(tenant)) throw new Error('A lane is opened for one tenant, by its UUID in lower case.')
    const physical = idle.pop() ?? makeLane()
    used++
    const unit: LaneUnit = { tenant, alive: true, running: 0, transactions: new Set() }
    physical.pool.unit = unit
    const lane = physical.handle(unit)
    return {
      lane,
      get inTransaction() {
        return unit.transactions.size > 0
      },
      close() {
        if (!unit.alive) return
        unit.alive = false
        used--
        for (const transaction of unit.transactions) transaction.abandon()
        if (unit.running === 0 && unit.transactions.size === 0 && idle.length < mostIdle) idle.push(physical)
      },
    }
  }

  return {
    open,
    async use(tenant, work) {
      const lease = open(tenant)
      try {
        return await work(lease.lane)
      } finally {
        lease.close()
      }
    },
    global,
    ping: () => here.statements.ping(),
    async close() {
      closeGauges()
      await Promise.allSettled([here, ...left].map((connections) => connections.close()))
    },
  }
}

/** A domain's connections to one database. */
interface Connections {
  url: string
  statements: Statements
  transactions: Transactions
  global: GlobalPool
  close(): Promise<unknown>
}

async function openConnections(
  options: LanesOptions<any>,
  url: string,
  successorOf: (connections: Connections) => Promise<Connections | undefined>,
): Promise<Connections> {
  const { schema } = options
  await assertServingRole(url, schema)
  const config = { connectionString: url, application_name: `offshoot ${schema}` }
  const observed = observedBy(schema, url)
  const statements = await openStatements(
    config,
    options.statementConnections ?? 4,
    observed,
    async () => (await successorOf(connections))?.statements,
  )
  const transactions = openTransactions(config, options.transactionConnections ?? 8, observed, {
    gate: passGate(schema),
    longestStatement: options.transactionTimeout,
    successor: async () => (await successorOf(connections))?.transactions,
  })
  const global = new GlobalPool(observed, {
    ...config,
    max: 4,
    connectionTimeoutMillis: longestConnect,
    keepAlive: true,
    statement_timeout: statementTimeout,
    idle_in_transaction_session_timeout: idleTimeout,
    onConnect: (client) => void client.on('error', () => {}), // its next statement says so
  })
  global.on('error', () => {})
  const close = () => Promise.allSettled([statements.close(), transactions.close(), global.end()])
  const connections = { url, statements, transactions, global, close }
  return connections
}

interface PhysicalLane<Client> {
  pool: LanePool
  handle(unit: Unit): Lane<Client>
}

function laneMaker<Client extends object>(
  { prisma, schema, onStatement, onEmitted, transactionTimeout }: LanesOptions<Client>,
  present: () => Connections,
): () => PhysicalLane<Client> {
  let models: ReadonlyMap<string, Model> | undefined
  return () => {
    const pool = new LanePool(present, onStatement)
    const client = prisma(new PrismaPg(pool as never, { schema, statementNameGenerator: nameStatement }))
    models ??= modelsOf(client, schema)
    return { pool, handle: laneHandles(client, models, { schema, onEmitted, transactionTimeout }) }
  }
}

/** A pool whose failures are explained, and whose statements observed, as a lane's are. They belong to no tenant. */
class GlobalPool extends pg.Pool {
  readonly #observed: Observed

  constructor(observed: Observed, config: pg.PoolConfig) {
    super(config)
    this.#observed = observed
  }

  // The adapter awaits a promise of either.
  override query(config: any): any {
    return this.#observed.statement(config.text, undefined, () =>
      apart(() => super.query(config)).catch(rethrowExplained),
    )
  }

  // `pg.Pool.query` passes a callback, which the pool calls when somebody else, in a trace of theirs, hands a connection back.
  override connect(callback?: any): any {
    const connecting = () => connected(() => super.connect())
    if (callback)
      return void connecting().then(
        (client) => apart(() => callback(undefined, client, client.release)),
        (error) => apart(() => callback(error)),
      )
    return this.#observed
      .connection('global', connecting)
      .then((client) => this.#transactionOn(client), rethrowExplained)
  }

  /** What the adapter uses of a client. */
  #transactionOn(client: pg.PoolClient) {
    return {
      query: (config: any) =>
        this.#observed.statement(config.text, undefined, () =>
          apart(() => client.query(config)).catch(rethrowExplained),
        ),
      release: (error?: Error) => client.release(error),
      on: client.on.bind(client),
      removeListener: client.removeListener.bind(client),
    }
  }
}

function rethrowExplained(error: unknown): never {
  throw explainFailure(error)
}

/** The same client, whose operations reject as a lane's do: UNAVAILABLE when the database is. Extended once per process, not per call. */
function explainingFailures<Client extends object>(client: Client): Client {
  return (client as any).$extends({
    query: {
      $allOperations: ({ args, query }: { args: unknown; query(args: unknown): Promise<unknown> }) =>
        query(args).catch((error) => {
          throw explainPrismaFailure(error)
        }),
    },
  })
}

/** What Prisma's adapter takes for a pool of connections: it sends every statement as the tenant of the present unit of work. */
class LanePool extends pg.Pool {
  unit: LaneUnit | undefined
  readonly #present: () => Connections
  readonly #onStatement: ((sql: string, tenant: string) => void) | undefined

  constructor(present: () => Connections, onStatement: ((sql: string, tenant: string) => void) | undefined) {
    super({ max: 0 })
    this.#present = present
    this.#onStatement = onStatement
  }

  #unit(): LaneUnit {
    if (!this.unit?.alive) throw revoked()
    return this.unit
  }

  // The adapter calls `query(config)` and `connect()`, both awaiting a promise.
  override query(config: any): any {
    try {
      const unit = this.#unit()
      this.#onStatement?.(config.text, unit.tenant)
      return this.#present().statements.run(unit.tenant, config, () => unit.alive)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  override async connect(): Promise<any> {
    const unit = this.#unit()
    const connection = await this.#present().transactions.open(unit.tenant)
    if (!unit.alive) {
      connection.release()
      throw revoked()
    }
    unit.transactions.add(connection)
    const asked = opening.getStore()
    if (asked) asked.connection ??= connection // a second one is that of a statement beside the transaction
    const { query, conclude, release } = connection
    connection.query = (config) => {
      if (!unit.alive) return Promise.reject(revoked())
      this.#onStatement?.(config.text, unit.tenant)
      return query(config)
    }
    connection.conclude = (statements) => {
      for (const [text] of statements) this.#onStatement?.(text, unit.tenant)
      conclude(statements)
    }
    connection.release = (error) => {
      unit.transactions.delete(connection)
      release(error)
    }
    return connection
  }
}
