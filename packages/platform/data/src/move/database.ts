import { randomInt } from 'node:crypto'
import pg from 'pg'
import { reason } from '../migrate/connection.ts'
import { knownRoles } from '../migrate/provision.ts'
import { type DomainRoles, domainRoles } from '../migrate/roles.ts'
import { MoveError } from './errors.ts'

/** One of the two databases of a move, open as its administrator. */
export interface Database {
  readonly url: string
  /** Without user and password. */
  readonly place: string
  /** For people: `db.example:5432/orders`. */
  readonly label: string
  readonly version: number
  readonly client: pg.Client
  /** One more connection; closed with the others. */
  connect(): Promise<pg.Client>
  close(): Promise<void>
}

export async function openDatabase(url: string): Promise<Database> {
  const clients: pg.Client[] = []
  const { host, port, database } = new pg.Client(url)
  const label = `${host}:${port}/${database}`

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'offshoot move-data',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    })
    client.on('error', () => {}) // its next statement says so
    try {
      await client.connect()
      await client.query(
        `SET search_path = ''; SET synchronous_commit = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'`,
      )
    } catch (error) {
      throw new MoveError('UNREACHABLE', `Cannot connect to ${label} as administrator: ${reason(error)}`, {
        cause: error,
      })
    }
    clients.push(client)
    return client
  }

  const client = await connect()
  const { rows } = await client.query(`SELECT current_setting('server_version_num')::int AS version`)
  const place = new URL(url)
  place.username = ''
  place.password = ''
  return {
    url,
    place: place.href,
    label,
    version: rows[0].version,
    client,
    connect,
    async close() {
      await Promise.allSettled(clients.map((client) => client.end()))
    },
  }
}

/** Whether two URLs lead to one database: only there is a lock that one takes in the way of the other. */
export async function isSame(one: Database, other: Database): Promise<boolean> {
  const key = randomInt(2 ** 47)
  await one.client.query('SELECT pg_advisory_lock($1)', [key])
  try {
    const { rows } = await other.client.query('SELECT pg_try_advisory_lock($1) AS free', [key])
    if (rows[0].free) await other.client.query('SELECT pg_advisory_unlock($1)', [key])
    return !rows[0].free
  } finally {
    await one.client.query('SELECT pg_advisory_unlock($1)', [key])
  }
}

export async function rolesOf({ client }: Database, domain: string): Promise<DomainRoles> {
  return (await knownRoles(client, domain)) ?? domainRoles(client.database!, domain)
}

/** The domain's tables, whose rows move; as SQL writes them. */
export async function tablesOf(client: pg.Client, domain: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', $1::text, relname) AS name FROM pg_class
     WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> '_prisma_migrations'
     ORDER BY relname COLLATE "C"`,
    [domain],
  )
  return rows.map(({ name }) => name)
}

export async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  try {
    const result = await work()
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}
