import { natsTransport, postgresTransport } from '@offshoot/events/runtime'
import type { Flags } from '@offshoot/flags'
import { demo, listen } from '@offshoot/host'
import { catchingMailer } from '@offshoot/mail'
import { actionsOf } from '@offshoot/rpc'
import {
  type Apart,
  startApart,
  TEST_APP_SECRET,
  type TestDatabase,
  type TestFlags,
  testFlags,
  topologyDatabase,
} from '@offshoot/testing'
import { pino } from 'pino'
import { createGateway, type Gateway } from '../src/app.ts'
import { domains } from '../src/domains.ts'

export interface Answer {
  status: number
  headers: Headers
  data: any
  errors:
    | { message: string; path?: (string | number)[]; extensions: { code: string; reason: string; data?: unknown } }[]
    | undefined
}

/** A caller: a token (or none), and the tenant that it names (or none). */
export interface Asking {
  token?: string
  tenant?: string
  headers?: Record<string, string>
}

export interface TestGateway extends Gateway {
  url: string
  database: TestDatabase
  /** Every statement sent on behalf of a tenant since it was last emptied. */
  statements: { sql: string; tenant: string }[]
  /** What runs beside it. */
  apart: Apart
  logged: string[]
  flags: TestFlags
  mails: ReturnType<typeof catchingMailer>['caught']
  /** Signs a demo user in; the same token each time. */
  signIn(email: string): Promise<string>
  ask(query: string, variables?: Record<string, unknown>, asking?: Asking): Promise<Answer>
  /** The same with a function that already knows who asks: `const acme = await gateway.as('owner@acme.test')`. */
  as(email: string, tenant?: string): Promise<(query: string, variables?: Record<string, unknown>) => Promise<Answer>>
  post(path: string, body: string | object, headers?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

export interface TestGatewayOptions {
  production?: boolean
  /** A gateway whose database to share, as a second process of the same product would. */
  beside?: TestGateway
  /** Whether events are carried and handled. */
  events?: boolean
  /** Over which NATS server, where PostgreSQL is not to carry them. */
  natsUrl?: string
  /** The domains that run apart do, but the gateway has all of them itself until `apart.divide`. */
  undivided?: boolean
  /** Others than those that the test switches itself. */
  flags?: Flags
}

/** The gateway with all its domains and the demo data, on a database of its own, behind a real port of 127.0.0.1. */
export async function testGateway({
  production = false,
  beside,
  events = false,
  natsUrl,
  undivided,
  flags: others,
}: TestGatewayOptions = {}): Promise<TestGateway> {
  const database = beside?.database ?? (await topologyDatabase(domains))
  const server = await listen({ host: '127.0.0.1', port: 0 })
  const url = `http://localhost:${server.port}`
  const mailer = catchingMailer('test@offshoot.test')
  const logged: string[] = []
  const flags = testFlags(domains)
  const statements: TestGateway['statements'] = []
  const carry = () =>
    natsUrl
      ? natsTransport({ url: natsUrl, onTrouble() {} })
      : postgresTransport({ url: database.urls.events!.serving, onTrouble() {} })
  const transport = events ? await carry() : undefined
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) })
  const common = {
    domains,
    events: transport && { transport, systemUrl: (domain: string) => database.urls[domain]!.system },
    databaseUrl: (domain: string) => database.urls[domain]!.serving,
    onStatement: (sql: string, tenant: string) => statements.push({ sql, tenant }),
  }
  const platform = { secret: TEST_APP_SECRET, publicUrl: url, production, mailer, flags: others ?? flags, log }
  const actions = actionsOf(domains.map(({ contract }) => contract))
  const apart = await startApart({ ...common, undivided, platform: { ...platform, actions } })
  const gateway = await createGateway({
    ...common,
    ...platform,
    elsewhere: apart.elsewhere,
    tenantHost: '{tenant}.localhost',
    trustProxy: false,
    corsOrigins: [],
  })
  const host = apart.together(gateway.host)
  if (!beside) await host.seed()
  server.serve(gateway.app)
  statements.length = 0
  const tokens = new Map<string, Promise<string>>()

  const post: TestGateway['post'] = (path, body, headers = {}) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  const ask: TestGateway['ask'] = async (query, variables, { token, tenant, headers } = {}) => {
    const response = await post(
      '/graphql',
      { query, variables },
      { ...(token && { authorization: `Bearer ${token}` }), ...(tenant && { 'x-tenant': tenant }), ...headers },
    )
    const { data, errors } = (await response.json()) as Answer
    return { status: response.status, headers: response.headers, data, errors }
  }

  const signIn = (email: string) => {
    let token = tokens.get(email)
    if (!token) {
      token = post('/api/auth/sign-in/email', { email, password: demo.password }).then(
        (response) => response.headers.get('set-auth-token')!,
      )
      tokens.set(email, token)
    }
    return token
  }

  return {
    ...gateway,
    host,
    url,
    database,
    statements,
    apart,
    logged,
    flags,
    mails: mailer.caught,
    signIn,
    ask,
    post,
    async as(email, tenant) {
      const token = await signIn(email)
      return (query, variables) => ask(query, variables, { token, tenant })
    },
    async close() {
      await server.close()
      await gateway.stop()
      await apart.stop()
      flags.stop()
      await transport?.close()
      if (!beside) await database.drop()
    },
  }
}
