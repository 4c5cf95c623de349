/**
 * Work that spans tenants: relays, exports, operations. It is the only way to see more than one tenant's rows, so it is an
 * export of its own that use cases may not import, it asks for a reason, and nothing is given before the use is on record.
 *
 * The role behind it has a policy of its own on each table and is bound by row security like any other.
 */
import { hostname } from 'node:os'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { contribute, tellPool, usageOf } from './gauges.ts'
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

async function open({ url, schema, audit, connections = 4, statementTimeout = 60_000 }: SystemPoolOptions) {
  await assertSystemRole(url, schema)
  const who = { host: hostname(), pid: process.pid, program: process.argv.slice(1, 2).join('') || process.title }
  const applicationName = `offshoot ${schema} system ${who.pid} ${who.host}`.slice(0, 63)
  const role = decodeURIComponent(new URL(url).username)
  const pool = new pg.Pool({
    connectionString: url,
    application_name: applicationName,
    max: connections,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementTimeout,
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
    onConnect: (client) => void client.on('error', () => {}), // its next statement says so
  })
  pool.on('error', () => {}) // an idle connection was lost; the pool opens another when needed
  const closeGauges = contribute((add) => tellPool(add, schema, 'system', usageOf(pool)))
  return {
    pool,
    close() {
      closeGauges()
      return pool.end()
    },
    record(reason: string) {
      if (reason.trim() === '') throw new Error('Work across tenants needs a reason: it goes on record.')
      audit({ at: new Date().toISOString(), domain: schema, reason, role, applicationName, ...who })
    },
  }
}
