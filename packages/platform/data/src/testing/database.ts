/**
 * A database for one test file: a copy of a template in which the domains are provisioned and migrated. The template is
 * made once per server, by whoever needs it first, and named for what is in it, so that a changed migration makes a new one.
 */
import { createHash, randomBytes } from 'node:crypto'
import pg from 'pg'
import {
  type DomainSchema,
  domainRoles,
  migrate,
  roleUrls,
  structureHash,
  transport,
  transportRole,
} from '../migrate/index.ts'

/** The `APP_SECRET` of test databases. */
export const TEST_APP_SECRET = 'test-secret-of-forty-bytes-not-for-production'

/** A database of one's own; see {@link testDatabase}. */
export interface TestDatabase {
  /** The administrator's URL of this database. */
  readonly adminUrl: string
  /** The URLs of each domain's roles, by domain; the transport of events is `events`. */
  readonly urls: Readonly<Record<string, { readonly serving: string; readonly system: string }>>
  /** Runs one statement as the administrator, whom no row security binds: for what no contract can show or bring about. */
  admin<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>
  /** Disconnects whoever is left and drops the database. Optional: the server of a test run is thrown away as a whole. */
  drop(): Promise<void>
}

/**
 * Gives a test file a database of its own with `domains` migrated, in about 50 ms. Its roles are the template's, shared by all
 * copies, so use `urls` rather than deriving them from `adminUrl`.
 */
export async function testDatabase(
  domains: readonly DomainSchema[],
  serverUrl: string = testServerUrl(),
): Promise<TestDatabase> {
  const template = templateName(domains)
  const database = `test_${randomBytes(6).toString('hex')}`
  await withAdministrator(serverUrl, async (client) => {
    await ensureTemplate(client, serverUrl, template, domains)
    await client.query(`CREATE DATABASE ${database} TEMPLATE ${template}`)
    const roles = domains.flatMap(({ name }) => {
      const { serving, system } = domainRoles(template, name)
      return [serving, system].map((role) => pg.escapeIdentifier(role))
    })
    roles.push(pg.escapeIdentifier(transportRole(template)))
    await client.query(`REVOKE CONNECT, TEMPORARY ON DATABASE ${database} FROM PUBLIC`)
    await client.query(`GRANT CONNECT ON DATABASE ${database} TO ${roles.join(', ')}`)
  })
  const adminUrl = inDatabase(serverUrl, database)
  return {
    adminUrl,
    urls: Object.fromEntries(
      [...domains.map(({ name }) => name), transport].map((name) => [
        name,
        roleUrls(adminUrl, name, TEST_APP_SECRET, template),
      ]),
    ),
    admin: askAs(adminUrl),
    drop: () => dropDatabase(serverUrl, database),
  }
}

/** An empty database, not even provisioned: for tests of provisioning, of migrations, and of what finds its roles by the database's name. */
export async function emptyDatabase(): Promise<Pick<TestDatabase, 'adminUrl' | 'admin' | 'drop'>> {
  const serverUrl = testServerUrl()
  const database = `test_${randomBytes(6).toString('hex')}`
  await withAdministrator(serverUrl, (client) => client.query(`CREATE DATABASE ${database} TEMPLATE template0`))
  const adminUrl = inDatabase(serverUrl, database)
  return { adminUrl, admin: askAs(adminUrl), drop: () => dropDatabase(serverUrl, database) }
}

function testServerUrl(): string {
  const url = process.env.TEST_DATABASE_URL
  if (!url)
    throw new Error('TEST_DATABASE_URL is not set: run Vitest with the root vitest.config.ts, which starts a server')
  return url
}

function templateName(domains: readonly DomainSchema[]): string {
  const hash = createHash('sha256').update(structureHash(domains)).update(TEST_APP_SECRET)
  return `offshoot_template_${hash.digest('hex').slice(0, 12)}`
}

/** Makes the template unless it is there. It counts as made once it is marked as a template, which is the last step. */
async function ensureTemplate(
  client: pg.Client,
  serverUrl: string,
  template: string,
  domains: readonly DomainSchema[],
) {
  const made = async () => {
    const { rows } = await client.query('SELECT datistemplate AS made FROM pg_database WHERE datname = $1', [template])
    return rows[0]?.made as boolean | undefined
  }
  if (await made()) return
  await client.query('SELECT pg_advisory_lock(hashtext($1))', [template])
  try {
    const state = await made()
    if (state) return
    if (state === false) await client.query(`DROP DATABASE ${template} WITH (FORCE)`)
    await client.query(`CREATE DATABASE ${template} TEMPLATE template0`)
    await migrate({ adminUrl: inDatabase(serverUrl, template), domains, appSecret: TEST_APP_SECRET })
    await client.query(`ALTER DATABASE ${template} ALLOW_CONNECTIONS false`)
    await client.query(`ALTER DATABASE ${template} IS_TEMPLATE true`)
  } finally {
    await client.query('SELECT pg_advisory_unlock(hashtext($1))', [template])
  }
}

async function dropDatabase(serverUrl: string, database: string): Promise<void> {
  await withAdministrator(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`))
}

/** Connections are kept for a moment: a test that waits asks a hundred times a second, and connecting is most of what an answer costs. */
function askAs(adminUrl: string): TestDatabase['admin'] {
  const pool = new pg.Pool({ connectionString: adminUrl, idleTimeoutMillis: 500, allowExitOnIdle: true })
  pool.on('error', () => {}) // its database is dropped, or its server stopped
  return async (sql, values) => (await pool.query<any>({ text: sql, values })).rows
}

async function withAdministrator<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function inDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  return url.href
}
