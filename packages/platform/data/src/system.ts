/**
 * Work that spans tenants: relays, exports, operations. It is the only way to see more than one tenant's rows, so it is an
 * export of its own that use cases may not import, it asks for a reason, and nothing is given before the use is on record.
 *
 * The role behind it has a policy of its own on each table and is bound by row security like any other.
 */
import { hostname } from 'node:os'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { FollowingPool } from './following-pool.ts'
import { contribute, tellPool, usageOf } from './gauges.ts'
import { passGate } from './migrate/placement.ts'
import { findPlacement } from './placement.ts'
import { assertSystemRole } from './serving-role.ts'
import { nameStatement } from './statement-names.ts'

/** One use of the system handle, as it goes on record. */
export interface SystemUse {
  /** RFC 3339. */
  readonly at: string
  readonly domain: string
  /** Why, in the words of whoever asked. */
  readonly reason: string
  /** The database role that works; PostgreSQL shows its connections under `application_name`. */
  readonly role: string
  readonly applicationName: string
  /** Which process: its host, its id and what it runs. */
  readonly host: string
  readonly pid: number
  readonly program: string
}

export interface SystemPoolOptions {
  /** The system role's URL: `roleUrls(…).system`. */
  url: string
  /** The domain's PostgreSQL schema. */
  schema: string
  /** What the passwords of roles derive from (`APP_SECRET`). With it the connections follow the domain when it moves to another database. */
  secret?: string
  /** Puts a use on record, usually in the log. When it throws, access is refused. */
  audit(use: SystemUse): void
  /** Default 4. */
  connections?: number
  /** In ms. An export may read for longer than a request may. Default 60 s. */
  statementTimeout?: number
}

export interface SystemOptions<Client> extends SystemPoolOptions {
  /** Makes the domain's generated client on an adapter. */
  prisma(adapter: PrismaPg): Client
}

/**
 * The domain's client, across tenants. Nothing adds a tenant here: reads see all of them unless they say `where: { tenantId }`,
 * unique look-ups name their whole key (`tenantId_id`), and writing a row without a tenant is an error of the database.
 */
export type SystemClient<Client> = Omit<Client, '$connect' | '$disconnect' | '$on' | '$use' | '$extends'>

export interface System<Client> {
  /** Gives access for this reason, and puts it on record. Ask again for each piece of work; don't pass it around. */
  (reason: string): SystemClient<Client>
  close(): Promise<void>
}

/** The same for the platform's own tables, which no generated client knows. */
export interface SystemPool {
  (reason: string): pg.Pool
  close(): Promise<void>
}

/** Opens the work across tenants of one domain. Refuses a role that row security does not bind. */
export async function openSystem<Client extends object>(options: SystemOptions<Client>): Promise<System<Client>> {
  const { pool, record, close } = await open(options)
  const client = options.prisma(new PrismaPg(pool, { schema: options.schema, statementNameGenerator: nameStatement }))
  const system = (reason: string) => {
    record(reason)
    return client
  }
  return Object.assign(system, { close })
}

/** Opens plain connections for the work across tenants of one domain. Refuses a role that row security does not bind. */
export async function openSystemPool(options: SystemPoolOptions): Promise<SystemPool> {
  const { pool, record, close } = await open(options)
  const system = (reason: string) => {
    record(reason)
    return pool
  }
  return Object.assign(system, { close })
}

async function open({
  schema,
  secret,
  audit,
  connections = 4,
  statementTimeout = 60_000,
  ...options
}: SystemPoolOptions) {
  const placement = await findPlacement({ url: options.url, schema, secret, role: 'system' })
  await assertSystemRole(placement.url, schema)
  const who = { host: hostname(), pid: process.pid, program: process.argv.slice(1, 2).join('') || process.title }
  const applicationName = `offshoot ${schema} system ${who.pid} ${who.host}`.slice(0, 63)
  let here = connect(placement.url)
  let moving: Promise<pg.Pool> | undefined
  const pool = new FollowingPool({ present: () => here, successorOf, gate: passGate(schema) })
  const closeGauges = contribute((add) => tellPool(add, schema, 'system', usageOf(here)))

  function connect(connectionString: string): pg.Pool {
    const pool = new pg.Pool({
      connectionString,
      application_name: applicationName,
      max: connections,
      connectionTimeoutMillis: 5_000,
      statement_timeout: statementTimeout,
      idle_in_transaction_session_timeout: 60_000,
      keepAlive: true,
      onConnect: (client) => void client.on('error', () => {}), // its next statement says so
    })
    pool.on('error', () => {}) // an idle connection was lost; the pool opens another when needed
    return pool
  }

  async function successorOf(left: pg.Pool): Promise<pg.Pool | undefined> {
    if (left !== here) return here
    moving ??= follow().finally(() => {
      moving = undefined
    })
    return (await moving) === left ? undefined : here
  }

  async function follow(): Promise<pg.Pool> {
    const { url } = placement
    if (!(await placement.hasLeft(url))) return here
    await assertSystemRole(placement.url, schema)
    const left = here
    here = connect(placement.url)
    setTimeout(() => left.end(), 5_000).unref() // who waits there for a connection is refused first, and follows
    return here
  }

  return {
    pool,
    close() {
      closeGauges()
      return here.end()
    },
    record(reason: string) {
      if (reason.trim() === '') throw new Error('Work across tenants needs a reason: it goes on record.')
      audit({
        at: new Date().toISOString(),
        domain: schema,
        reason,
        role: roleOf(placement.url),
        applicationName,
        ...who,
      })
    },
  }
}

const roleOf = (url: string) => decodeURIComponent(new URL(url).username)
