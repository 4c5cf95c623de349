import { TEST_APP_SECRET, type TestDatabase } from '@offshoot/data/testing'
import { postgresTransport } from '@offshoot/events/runtime'
import {
  type Domain,
  demoId,
  gateway,
  type Host,
  type HostOptions,
  hostedBy,
  type Platform,
  startDomains,
  together,
} from '@offshoot/host'
import { catchingMailer, type Mailer } from '@offshoot/mail'
import {
  actionsOf,
  type Client,
  type Contract,
  createClient,
  type Identity,
  type Plan,
  type Role,
  TenantId,
  UserId,
} from '@offshoot/rpc'
import { pino } from 'pino'
import { type TestFlags, testFlags } from './flags.ts'
import { type Outage, openOutage } from './outage.ts'
import { startApart, topologyDatabase } from './topology.ts'

/** Who a test acts as. Names stand for ids: the tenant 'acme' is the demo tenant acme, the user 'member@acme.test' its member. */
export interface Who {
  tenant?: string
  plan?: Plan
  role?: Role
  user?: string
  /** The whole identity, where a test needs another than a user's. */
  identity?: Identity
}

export interface TestApp {
  host: Host
  database: TestDatabase
  mailer: Mailer
  platform: Platform
  /** At their defaults until a test switches them. */
  flags: TestFlags
  /** What was logged, as pino's JSON lines. */
  logged: string[]
  /** Every statement sent on behalf of a tenant since the last `statements.length = 0`. */
  statements: { sql: string; tenant: string }[]
  /** Takes the database away from the domains and gives it back; tests that asked for it have it. */
  outage: Outage | undefined
  /** A contract client that acts as `who`; an owner of acme when nothing is said. */
  client<C extends Contract>(contract: C, who?: Who): Client<C>
  stop(): Promise<void>
}

/** The id of a demo tenant, or of one that exists in tests only. */
export const tenantId = (slug: string) => TenantId.parse(demoId('tenant', slug))
/** The id of a demo user. */
export const userId = (email: string) => UserId.parse(demoId('user', email))

export interface TestAppOptions {
  /** Plant the domains' demo data. */
  seed?: boolean
  /** Whether the test takes the database away. */
  outage?: boolean
  /** Whether events are carried and handled, which they are when nothing is said. Otherwise they stay in the outbox. */
  events?: boolean
}

/** Runs domains on a database of their own, as an app would. Contracts of domains that are not among them cannot be called. */
export async function testApp(
  domains: readonly Domain[],
  { seed = false, outage: wanted = false, events = true }: TestAppOptions = {},
): Promise<TestApp> {
  const database = await topologyDatabase(domains)
  const outage = wanted ? await openOutage(database.adminUrl) : undefined
  const mailer = catchingMailer('test@offshoot.test')
  const flags = testFlags(domains)
  const logged: string[] = []
  const statements: TestApp['statements'] = []
  const platform: Platform = {
    secret: TEST_APP_SECRET,
    publicUrl: 'http://localhost:4000',
    production: false,
    mailer,
    flags,
    actions: actionsOf(domains.map(({ contract }) => contract)),
    log: pino({ level: 'debug' }, { write: (line: string) => logged.push(line) }),
  }
  const carries = events && domains.some(({ definition }) => definition.handlers || definition.schedules)
  const transport = carries
    ? postgresTransport({
        url: database.urls.events!.serving,
        onTrouble: (error) => platform.log.warn({ err: error }, 'transport'),
      })
    : undefined
  const options: HostOptions = {
    domains,
    events: transport && { transport, systemUrl: (domain) => database.urls[domain]!.system },
    databaseUrl(domain) {
      const { serving } = database.urls[domain]!
      return outage?.through(serving) ?? serving
    },
    platform,
    onStatement: (sql, tenant) => statements.push({ sql, tenant }),
  }
  const apart = await startApart(options)
  const { elsewhere } = apart
  const here = hostedBy(elsewhere?.topology ?? together, gateway, domains)
  const main = await startDomains({ ...options, domains: here, elsewhere })
  const host = apart.together(main)
  if (seed) await host.seed()
  statements.length = 0

  return {
    host,
    database,
    mailer,
    platform,
    flags,
    logged,
    statements,
    outage,
    client(
      contract,
      { tenant = 'acme', plan = 'free', role = 'owner', user = `${role}@${tenant}.test`, identity } = {},
    ) {
      const actor = { kind: 'user', id: userId(user), operator: false } as const
      return createClient(contract, host.link, host.tokens, {
        identity: identity ?? { actor, tenant: tenantId(tenant), plan, role, scopes: null },
        deadline: Number.POSITIVE_INFINITY,
        requestId: 'test',
      })
    },
    async stop() {
      await host.stop()
      await apart.stop()
      flags.stop()
      await transport?.close()
      await outage?.begin()
      await database.drop()
    },
  }
}
