import { request as send } from 'node:http'
import { settled } from '@offshoot/testing'
import type { TestGateway } from '../../gateway.ts'
import type { Condition, Operation, Section } from './operations.ts'

/** Asks all of it, and writes down the answers: everything that a client can see of them, except what is new each time. */
export async function record(gateway: TestGateway, sections: readonly Section[]): Promise<string> {
  const kept = new Map<string, string>()
  const stable = normalizer()
  const answers: { title: string; status: number; headers: Map<string, string>; body: string }[] = []
  let number = 0
  for (const { title, as, tenant, given, operations } of sections) {
    const token = as?.includes('@') ? await gateway.signIn(as) : as && fill(as, kept)
    const over = given && (await conditions[given](gateway))
    for (const operation of operations) {
      const headers = {
        'x-request-id': `corpus-${String(++number).padStart(4, '0')}`,
        ...(token && { authorization: `Bearer ${token}` }),
        ...(tenant && { 'x-tenant': tenant }),
        ...fill(operation.headers ?? {}, kept),
      }
      const answer = await ask(gateway, operation, headers, kept)
      for (const [name, place] of Object.entries(operation.keep ?? {})) kept.set(name, found(answer, place))
      const shown = [...answer.headers].filter(([name]) => !hopHeaders.has(name))
      answers.push({
        title: `${number} ${title}: ${operation.name}`,
        status: answer.status,
        headers: new Map(shown.map(([name, value]) => [name, stable(value, name)])),
        body: stable(answer.body),
      })
      if (!given && operation.query?.startsWith('mutation')) await settled(gateway)
    }
    await over?.()
  }
  return page(answers)
}

/** Of the connection, not of the answer. */
const hopHeaders = new Set(['connection', 'keep-alive', 'date', 'content-length', 'transfer-encoding', 'x-request-id'])

interface Received {
  status: number
  headers: [name: string, value: string][]
  body: string
}

function ask(
  gateway: TestGateway,
  operation: Operation,
  headers: Record<string, string>,
  kept: Map<string, string>,
): Promise<Received> {
  const { query, variables, operationName, http } = operation
  const { method, path, body } = http ?? {
    method: 'POST',
    path: '/graphql',
    body: JSON.stringify({ query, variables: fill(variables, kept), operationName }),
  }
  return new Promise((resolve, reject) => {
    const { port } = new URL(gateway.url)
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const request = send({ host: '127.0.0.1', port, method, path, headers: { ...type, ...headers } }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part) => parts.push(part))
      response.once('error', reject)
      response.once('end', () => {
        const { rawHeaders } = response
        const pairs = rawHeaders.flatMap((name, i): [string, string][] =>
          i % 2 ? [] : [[name.toLowerCase(), rawHeaders[i + 1]!]],
        )
        const all = Map.groupBy(pairs, ([name]) => name)
        resolve({
          status: response.statusCode!,
          headers: [...all].map(([name, values]) => [name, values.map(([, value]) => value).join('\n')]),
          body: Buffer.concat(parts).toString(),
        })
      })
    })
    request.once('error', reject)
    request.end(body)
  })
}

/** The same with what was kept in the place of its name. */
function fill<T>(value: T, kept: Map<string, string>): T {
  if (typeof value === 'string') return value.replace(/\{(\w+)\}/g, (all, name) => kept.get(name) ?? all) as T
  if (Array.isArray(value)) return value.map((item) => fill(item, kept)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, kept)])) as T
}

function found({ headers, body }: Received, place: string): string {
  const value = place.startsWith('header:')
    ? new Map(headers).get(place.slice('header:'.length))
    : place.split('.').reduce((at, key) => at?.[key], JSON.parse(body))
  if (typeof value !== 'string') throw new Error(`There is nothing to keep at ${place} of ${body}`)
  return value
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** Puts names in the place of what is new each time: ids by the order in which they appear, times, secrets, tokens, and the cursors that hold new ids. */
function normalizer() {
  const began = Date.now() - 10 * 60_000
  const ids = new Map<string, string>()
  const isNew = (id: string) => id[14] === '7' && Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) >= began
  const nameOf = (id: string) => {
    if (!isNew(id)) return id
    if (!ids.has(id)) ids.set(id, `<id ${ids.size + 1}>`)
    return ids.get(id)!
  }
  return (text: string, header?: string): string => {
    if (header === 'set-auth-token') return '<token>'
    if (header === 'set-cookie') return text.replace(/(?<=^offshoot_session=)[^;]+/gm, '<token>')
    return text
      .replace(/,?"traceId":"[0-9a-f]{32}"/g, '')
      .replace(/"(token|secret)":"[^"]+"/g, '"$1":"<$1>"')
      .replace(/"prefix":"ofs_[^"]+"/g, '"prefix":"<prefix>"')
      .replace(/"ipAddress":"[^"]*"/g, '"ipAddress":"<address>"')
      .replace(/"([\w-]{60,})"/g, (all, text) => {
        const cursor = Buffer.from(text, 'base64url').toString()
        const [last] = cursor.match(uuid)?.slice(-1) ?? []
        return last && isNew(last) ? `"<cursor ${cursor.replace(uuid, nameOf)}>"` : all
      })
      .replace(/"([\w-]{43})"/g, (all, text) => {
        // An invitation's: the tenant's and its own.
        const [, id = ''] = Buffer.from(text, 'base64url').toString('hex').match(/.{32}/g) ?? []
        const own = id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
        return isNew(own) ? `"<two ids ${nameOf(own)}>"` : all
      })
      .replace(uuid, nameOf)
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (time) => (Date.parse(time) >= began ? '<time>' : time))
  }
}

/** The headers of the first answer are shown once; each answer has those that it has otherwise, or not. */
function page(answers: { title: string; status: number; headers: Map<string, string>; body: string }[]): string {
  const usual = answers[0]!.headers
  const lines = (headers: [string, string][]) =>
    headers.flatMap(([name, value]) => value.split('\n').map((one) => `${name}: ${one}`))
  const blocks = answers.map(({ title, status, headers, body }) => {
    const own = [...headers].filter(([name, value]) => usual.get(name) !== value)
    const missing = [...usual.keys()].filter((name) => !headers.has(name))
    return [`── ${title}`, `${status}`, ...lines(own), ...missing.map((name) => `no ${name}`), body].join('\n')
  })
  return `${['── usual headers', ...lines([...usual]), ...blocks].join('\n')}\n`
}

const conditions: Record<Condition, (gateway: TestGateway) => Promise<() => Promise<unknown>>> = {
  async 'catalog has lost a column'({ database }) {
    await database.admin('ALTER TABLE catalog.product RENAME COLUMN description TO gone')
    return () => database.admin('ALTER TABLE catalog.product RENAME COLUMN gone TO description')
  },
  async 'orders is locked'({ database }) {
    const locked = database.admin(
      'BEGIN; LOCK TABLE orders."order" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT',
    )
    await new Promise((resolve) => setTimeout(resolve, 200))
    return () => locked
  },
  async 'catalog cannot be reached'({ database, host }) {
    const { pathname, username } = new URL(database.urls.catalog!.serving)
    const name = pathname.slice(1)
    await database.admin(`REVOKE CONNECT ON DATABASE ${name} FROM "${username}"`)
    await database.admin('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = $2', [
      name,
      username,
    ])
    return async () => {
      await database.admin(`GRANT CONNECT ON DATABASE ${name} TO "${username}"`)
      while ((await host.health()).catalog !== 'up') await new Promise((resolve) => setTimeout(resolve, 100))
    }
  },
}
