// #region with catalog, orders, billing, notifications, insights
import { once } from 'node:events'
import { connect } from 'node:net'
import { demo } from '@offshoot/host'
import { notificationsDomain } from '@offshoot/notifications'
import { metrics, spanEvents, spans } from '@offshoot/telemetry'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { settled } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Answer, type TestGateway, testGateway } from '../gateway.ts'

type Ask = (query: string, variables?: Record<string, unknown>) => Promise<Answer>
type Stocked = { id: string; stock: number }
type Span = ReturnType<(typeof recording)['spans']>[number]

const [outgoingEmail] = notificationsDomain.definition.flags!
const recording = recordTelemetry()
recording.instrument()

/** What must not be seen, by what it is. Others join them: what the product itself makes. */
const secrets: Record<string, string> = {
  password: 'CANARY-password-1',
  wrongPassword: 'CANARY-password-2',
  address: 'canary.address@example.test',
  invited: 'canary.invited@example.test',
  name: 'CANARY-name',
  card: 'CANARY-4111111111111111',
  bearer: 'CANARY-bearer',
  cookie: 'CANARY-cookie',
  key: 'CANARY-key',
  query: 'CANARY-query',
  reset: 'CANARY-reset',
  clientAddress: '203.0.113.77',
  browser: 'CANARY-browser',
  operation: 'CANARY-in-a-document',
}

let gateway: TestGateway
let owner: Ask
/** What was answered that is an error, as text. */
const refusals: string[] = []
beforeAll(async () => {
  vi.stubEnv('TEST_TOPOLOGY', 'catalog') // one domain apart, so that there is something of everything
  gateway = await testGateway({ events: true })
  vi.unstubAllEnvs()
  recording.reset()
  owner = await gateway.as('owner@acme.test')
  await useEverything()
})
afterAll(async () => {
  await gateway.close()
  recording.stop()
})

async function useEverything(): Promise<void> {
  const operator = await gateway.as('operator@offshoot.test')
  const products = '{ products(first: 20) { nodes { id stock price { amount } } } }'
  const byStock = (await owner(products)).data.products.nodes.sort((a: Stocked, b: Stocked) => a.stock - b.stock)
  let orders = 0
  async function place(
    paymentMethod?: string,
    { id, quantity }: { id: string; quantity: number } = { id: byStock.at(-1).id, quantity: 1 },
  ): Promise<string> {
    const lines = [{ productId: id, quantity }]
    const input = { lines, idempotencyKey: `order-${++orders}`, paymentMethod }
    const { data } = await owner('mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id } }', { input })
    return data.placeOrder.id
  }

  // Orders that go well, that cannot be paid, that cannot be delivered, that are cancelled.
  const confirmed = await place('pm_ok')
  await place('pm_declined')
  await place(secrets.card)
  await place('pm_ok', { id: byStock[0].id, quantity: byStock[0].stock + 1 })
  await settled(gateway)
  const cancel = 'mutation ($id: ID!) { cancelOrder(id: $id) { status } }'
  await owner(cancel, { id: confirmed })
  await settled(gateway)

  // A mail that waits, and one that cannot be queued: tried, dead, replayed.
  gateway.flags.set(outgoingEmail!, false)
  await place()
  await until(
    async () => (await gateway.database.admin(`SELECT FROM notifications.email WHERE status <> 'SENT'`)).length,
  )
  gateway.flags.set(outgoingEmail!, true)
  await settled(gateway)
  await gateway.database.admin('ALTER TABLE notifications.email ADD CONSTRAINT poison CHECK (false) NOT VALID')
  await place()
  const dead = `SELECT FROM notifications.inbox WHERE status = 'dead'`
  const hurry = `UPDATE notifications.inbox_head SET attempts = 9, ready_at = now() WHERE attempts > 0 AND leased_until IS NULL AND NOT parked`
  await until(async () => {
    await gateway.database.admin(hurry)
    return (await gateway.database.admin(dead)).length
  })
  await recording.metrics() // gauges are seen only when somebody looks
  await gateway.database.admin('ALTER TABLE notifications.email DROP CONSTRAINT poison')
  const letters = await operator('{ operations { deadLetters(first: 9) { nodes { id error } } } }')
  refusals.push(JSON.stringify(letters))
  for (const { id } of letters.data.operations.deadLetters.nodes)
    await operator('mutation ($id: ID!) { replayDeadLetter(id: $id) { id } }', { id })
  await settled(gateway)

  await gateway.host.runSchedule('orders.finish-stuck-orders')
  await enter(operator)
}

const until = (condition: () => Promise<unknown>) =>
  vi.waitFor(async () => expect(await condition()).toBeTruthy(), { timeout: 10_000, interval: 50 })

/** Goes in by every entrance, with secrets. */
async function enter(operator: Ask): Promise<void> {
  const { password, wrongPassword, address, name, bearer, cookie, key, query, reset, invited } = secrets as Record<
    keyof typeof secrets,
    string
  >
  const headers = {
    authorization: `Bearer ${bearer}`,
    cookie: `offshoot_session=${cookie}; a=${cookie}`,
    'x-api-key': key!,
    'x-forwarded-for': secrets.clientAddress!,
    'user-agent': secrets.browser!,
  }
  await gateway.post('/api/auth/sign-up/email', { email: address, password, name })
  for (const email of [address!, 'owner@acme.test', 'nobody@acme.test']) {
    await refused(gateway.post('/api/auth/sign-in/email', { email, password: wrongPassword }))
    await gateway.post('/api/auth/request-password-reset', { email, redirectTo: '/' })
  }
  await gateway.database.admin('ALTER TABLE identity.session RENAME TO missing')
  await refused(gateway.post('/api/auth/sign-in/email', { email: 'owner@acme.test', password: demo.password }))
  await gateway.database.admin('ALTER TABLE identity.missing RENAME TO session')
  const signedIn = await gateway.post('/api/auth/sign-in/email', { email: 'owner@acme.test', password: demo.password })
  secrets.token = signedIn.headers.get('set-auth-token')!
  secrets.session = /offshoot_session=([^;]+)/.exec(signedIn.headers.get('set-cookie')!)![1]!
  for (const [index, { text }] of gateway.mails!.entries()) {
    const link = /reset-password\/([\w-]+)/.exec(text)?.[1]
    if (link) secrets[`link ${index}`] = link
  }
  const created = await owner('mutation { createApiKey(input: { name: "key", scopes: ["product:read"] }) { secret } }')
  secrets.apiKey = created.data.createApiKey.secret
  await gateway.ask('{ products { nodes { id } } }', {}, { token: secrets.apiKey, tenant: 'acme' })
  refusals.push(
    JSON.stringify(await gateway.ask('{ orders { nodes { id } } }', {}, { token: secrets.apiKey, tenant: 'acme' })),
  )

  for (const path of [
    `/?token=${query}`,
    `/graphql?query=${query}`,
    `/${query}`.replace(query!, 'nowhere'),
    `/api/auth/get-session?x=${query}`,
  ]) {
    await refused(fetch(`${gateway.url}${path}`, { headers }))
    await refused(gateway.post(path, `{"password": "${password}`, headers))
  }
  await byMethod('PROPFIND')
  await refused(
    fetch(`${gateway.url}/api/auth/reset-password/${reset}?callbackURL=/%3F${query}`, { headers, redirect: 'manual' }),
  )
  await refused(gateway.post(`/api/auth/reset-password/${reset}`, { newPassword: password }))
  const invite = 'mutation ($email: String!) { inviteMember(input: { email: $email, role: MEMBER }) { id } }'
  await owner(invite, { email: invited })
  for (const ask of [owner, operator, await gateway.as('member@acme.test')])
    refusals.push(JSON.stringify(await ask(invite, { email: invited })))
  refusals.push(
    JSON.stringify(
      await gateway.ask(
        `mutation { inviteMember(input: { email: "${secrets.operation}", role: MEMBER }) { id } }`,
        {},
        { headers },
      ),
    ),
  )
  refusals.push(
    JSON.stringify(await gateway.ask(`{ products(search: "${secrets.operation}") { nodes { id } } }`, {}, { headers })),
  )
  refusals.push(JSON.stringify(await owner('query Deep { me { memberships { organization { slug plan nothing } } } }')))
  refusals.push(
    JSON.stringify(
      await owner('mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id } }', {
        input: { lines: [], idempotencyKey: 'none', paymentMethod: secrets.card },
      }),
    ),
  )
}

async function refused(answer: Promise<Response>): Promise<void> {
  const response = await answer
  const text = await response.text()
  if (response.status >= 400) refusals.push(text)
}

/** What this run does not bring about, and whose tests do. */
const elsewhere = [
  'event.process: messaging.batch.message_count', // events/test/telemetry.test.ts, like the next
  'event.send: messaging.batch.message_count',
  'schedule.run: error.type', // events/test/schedules.test.ts
  'offshoot.schedule.duration: error.type',
  'event.send: error.type',
  'messaging.client.sent.messages: error.type',
  'mail.send: error.type', // mail/test/mail.test.ts
  'offshoot.mail.duration: error.type',
  'rpc.send: error.type', // rpc/test/remote.test.ts
  'process.memory.usage', // telemetry/test/faults/register.fault.ts
  'process.uptime',
]

describe('what the product tells', () => {
  it('is registered', async () => {
    expect(recording.spans().flatMap(unregistered)).toEqual([])
  })

  it('is all that is registered', () => {
    const seen = recording.spans().map((span) => ({ key: keyOf(span), attributes: Object.keys(span.attributes) }))
    const missing = Object.entries(spans).flatMap(([key, { attributes }]) => {
      const those = seen.filter((span) => span.key === key)
      if (those.length === 0) return [key]
      return attributes
        .filter((name) => !those.some((span) => span.attributes.includes(name)))
        .map((name) => `${key}: ${name}`)
    })
    expect(missing.filter((signal) => !elsewhere.includes(signal))).toEqual([])
  })

  it('is measured by registered names and labels, by all of them, and never by tenant', async () => {
    const measured = await recording.metrics()
    const wrong = Object.entries(measured).flatMap(([name, series]) => {
      const declared = metrics[name as keyof typeof metrics]
      const labels: readonly string[] = declared?.labels ?? []
      return [...new Set(series.flatMap((one) => Object.keys(one.labels)))]
        .filter((label) => !labels.includes(label))
        .map((label) => `${name}: ${label}`)
        .concat(declared ? [] : [name])
    })
    expect(wrong).toEqual([])
    const missing = Object.entries(metrics).flatMap(([name, { labels }]) => {
      const series = measured[name]
      if (!series) return [name]
      return labels.filter((label) => !series.some((one) => label in one.labels)).map((label) => `${name}: ${label}`)
    })
    expect(missing.filter((signal) => !elsewhere.includes(signal))).toEqual([])
  })

  it('has no more series for any name, path or method that somebody thinks of', async () => {
    const ask = async (n: number) => {
      await owner(`query Operation${n} { alias${n}: products { nodes { id } } }`)
      await gateway.post('/graphql', { query: `query Broken${n} { nothing${n} }`, operationName: `Other${n}` })
      await fetch(`${gateway.url}/path-${n}/${n}`)
      await fetch(`${gateway.url}/api/auth/path-${n}`)
      await byMethod(['PROPFIND', 'M-SEARCH', 'PURGE', 'REPORT', 'LINK'][n % 5]!, `/${n}`)
    }
    const series = async () => Object.values(await recording.metrics()).flat().length
    await ask(0)
    const before = await series()
    for (let n = 1; n <= 40; n++) await ask(n)
    expect(await series()).toBe(before)
  })

  it('has no secret, and nobody’s name or address', async () => {
    const rows = []
    for (const domain of Object.keys(gateway.database.urls).filter((name) => name !== 'events'))
      for (const table of ['outbox', 'inbox', 'inbox_head'])
        rows.push(...(await gateway.database.admin(`SELECT to_jsonb(t) - 'data' AS row FROM "${domain}"."${table}" t`)))
    const told = {
      spans: recording
        .spans()
        .map(({ name, attributes, events, status, links }) =>
          JSON.stringify([name, attributes, events, status, links]),
        ),
      metrics: [JSON.stringify(await recording.metrics())],
      log: gateway.logged,
      refusals,
      rows: rows.map((row) => JSON.stringify(row)),
    }
    const found = Object.entries(told).flatMap(([where, texts]) =>
      Object.entries(secrets).flatMap(([what, secret]) => {
        const text = texts.find((text) => text.includes(secret))
        return text ? [`${what} in ${where}: ${text.slice(0, 300)}`] : []
      }),
    )
    expect(found).toEqual([])
  })
})

const kinds = ['internal', 'server', 'client', 'producer', 'consumer']

/** Names as patterns, those first of which the most is fixed. */
const patterns = Object.entries(spans)
  .toSorted(([, a], [, b]) => fixed(b.name) - fixed(a.name))
  .map(([key, { name, kind }]) => {
    const pattern = name
      .replaceAll('.', '\\.')
      .replace(/ \{\w+\}$/, '( \\S+)?')
      .replace(/^\{\w+\}/, '\\w+')
      .replace(/\{\w+\}/g, '\\S+')
    return { key: key as keyof typeof spans, kind, pattern: new RegExp(`^${pattern}$`) }
  })

function fixed(name: string): number {
  return name.replace(/\{\w+\}/g, '').length
}

const keyOf = (span: Span) =>
  patterns.find(({ kind, pattern }) => kind === kinds[span.kind] && pattern.test(span.name))?.key

function unregistered(span: Span): string[] {
  const key = keyOf(span)
  if (!key) return [`${kinds[span.kind]} span ${span.name} (${span.instrumentationScope.name})`]
  const attributes: readonly string[] = spans[key].attributes
  return [
    ...Object.keys(span.attributes)
      .filter((name) => !attributes.includes(name))
      .map((name) => `${key}: ${name}`),
    ...span.events.flatMap(({ name, attributes = {} }) => {
      const known: readonly string[] = spanEvents[name as keyof typeof spanEvents]?.attributes ?? []
      return Object.keys(attributes)
        .filter((attribute) => !known.includes(attribute))
        .map((attribute) => `${name}: ${attribute}`)
    }),
  ]
}

/** A request by a method that no client library sends. */
async function byMethod(method: string, path = '/'): Promise<void> {
  const { port } = new URL(gateway.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.end(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`).resume()
  await once(socket, 'close')
}
