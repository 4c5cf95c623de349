// #region with catalog, orders
/**
 * What it costs to have domains apart: the same gateway answers with all domains in its process, and with each in a process of its own, in turns. And what it costs to have them
 * behind contracts at all. The processes, their PostgreSQL and who asks share the machine.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as send } from 'node:http'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrate } from '@offshoot/data/migrate'
import { startServer } from '@offshoot/data/server'
import { domains } from '@offshoot/gateway/domains'
import { settingOf } from '@offshoot/host'
import type { Program } from './bench.ts'
import { codecRatio } from './codec.ts'
import { freePort } from './gateway.ts'
import { measure, median, type Variant } from './rounds.ts'

const secret = 'of-no-database-but-this-benchmark-s-own'
const names = domains.map(({ name }) => name)
const callers = 16
const rounds = 5
/** How long a query is measured each time, in ms. */
const duration = 2_000
const rolling = 20_000

const threeDomains = 'over three domains, 20 rows'
const queries = {
  'within one domain': '{ products(first: 20) { nodes { id sku name stock price { amount currency } } } }',
  [threeDomains]:
    '{ orders(first: 20) { nodes { id status total { amount currency } placedBy { name } lines { quantity product { name } } } } }',
}
const short = '{ orders(first: 1) { nodes { id lines { product { sku } } } } }'

interface Product {
  /** Divides it, and waits until calls go where they should. */
  divide(apart: readonly string[]): Promise<void>
  /** Asks, and throws unless all is answered. */
  ask(query: string): Promise<void>
  /** Another gateway, with all domains in it, that calls them by this way. Returns what asks it. */
  openGateway(way: 'contracts' | 'directly'): Promise<Product['ask']>
  service(name: string): { stop(): Promise<void>; start(): Promise<void> }
  /** Who asks. */
  headers: Record<string, string>
}

export const run: Program = async () => {
  const cleanUp: (() => Promise<unknown>)[] = []
  try {
    const directory = await mkdtemp(join(tmpdir(), 'offshoot-bench-'))
    cleanUp.push(() => rm(directory, { recursive: true, force: true }))
    const server = await startServer({ dataDir: join(directory, 'postgres'), durable: false })
    cleanUp.push(() => server.stop())
    await migrate({ adminUrl: server.url, domains: domains.map(({ data }) => data), appSecret: secret })
    const product = await start(directory, server.url, cleanUp)

    console.log(`${availableParallelism()} processors, ${callers} callers, medians of ${rounds} rounds in turns.\n`)
    const ratios = await apartToTogether(product)
    const failed = await roll(product)
    const byContracts = await contractsToDirect(product)
    const { headers } = product
    const codec = await codecRatio({ databaseUrl: server.url, secret, headers, query: queries[threeDomains] })
    const { contracts, directly } = codec.perSecond
    console.log(
      `${contracts.toFixed(0)}/s through contracts, ${directly.toFixed(0)}/s with use cases called directly, both without HTTP: ${codec.ratio.toFixed(2)}\n`,
    )
    const targets = [
      { what: 'contracts with codec ÷ use cases called directly', is: byContracts, atLeast: 0.9 },
      { what: 'apart ÷ together, a query within one domain', is: ratios[0]!, atLeast: 0.7 },
      { what: 'apart ÷ together, a query over three domains with 20 rows', is: ratios[1]!, atLeast: 0.5 },
      { what: `failed of ${rolling.toLocaleString('en')} requests while domains come and go`, is: failed, atMost: 0 },
    ]
    const met = ({ is, atLeast = 0, atMost = Number.POSITIVE_INFINITY }: (typeof targets)[number]) =>
      is >= atLeast && is <= atMost
    for (const target of targets) {
      const limit = target.atMost === undefined ? `at least ${target.atLeast}` : `at most ${target.atMost}`
      const figure = target.atMost === undefined ? target.is.toFixed(2) : target.is
      console.log(`${met(target) ? 'met   ' : 'MISSED'}  ${target.what}: ${figure}, ${limit}`)
    }
    return targets.every(met)
  } finally {
    for (const close of cleanUp.reverse()) await close()
  }
}

/** The ratio of each query's throughput. */
async function apartToTogether({ divide, ask }: Product): Promise<number[]> {
  const figures = Object.values(queries).map(() => ({ together: [] as number[], apart: [] as number[] }))
  for (let round = 0; round <= rounds; round++) {
    for (const topology of ['together', 'apart'] as const) {
      await divide(topology === 'apart' ? names : [])
      for (const [at, query] of Object.values(queries).entries()) {
        await throughput(() => ask(query), 300)
        const perSecond = await throughput(() => ask(query), round === 0 ? 1_000 : duration)
        if (round > 0) figures[at]![topology].push(perSecond) // the first warms up
      }
    }
  }
  console.log(`${'together'.padStart(10)} ${'apart'.padStart(8)}   requests/s`)
  for (const [at, name] of Object.keys(queries).entries()) {
    const { together, apart } = figures[at]!
    console.log(`${median(together).toFixed(0).padStart(10)} ${median(apart).toFixed(0).padStart(8)}   ${name}`)
  }
  console.log()
  return figures.map(({ together, apart }) => median(apart.map((figure, round) => figure / together[round]!)))
}

/**
 * What contracts cost whoever asks the gateway: the ratio of the requests that it answers in a second, as in the other comparisons, of two gateways that differ in nothing but the
 * link. Per call it would be another figure, but nobody asks for a call.
 */
async function contractsToDirect({ openGateway }: Product): Promise<number> {
  const variants: Variant[] = []
  for (const way of ['contracts', 'directly'] as const) {
    const ask = await openGateway(way)
    variants.push({ name: way, about: '', call: () => ask(queries[threeDomains]) })
  }
  const figures = await measure(variants, { callers, rounds: 7, duration })
  const [contracts, directly] = variants.map((variant) => figures.get(variant)!)
  console.log(
    `${contracts!.median.toFixed(0)}/s through contracts, ${directly!.median.toFixed(0)}/s with use cases called directly.`,
  )
  return median(contracts!.rounds.map((figure, round) => figure / directly!.rounds[round]!))
}

async function throughput(call: () => Promise<void>, milliseconds: number): Promise<number> {
  let calls = 0
  const began = performance.now()
  const end = began + milliseconds
  async function caller(): Promise<void> {
    while (performance.now() < end) {
      await call()
      calls++
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return (calls * 1_000) / (performance.now() - began)
}

/** Domains are split off and taken back, their processes end and begin, while requests are made. How many of these failed. */
async function roll({ divide, ask, service }: Product): Promise<number> {
  let asked = 0
  let failed = 0
  let moves = 0
  const caller = async () => {
    while (asked < rolling || moves < 3) {
      asked++
      await ask(short).catch((error: Error) => {
        if (failed++ === 0) console.log(`The first that failed: ${error.message}`)
      })
    }
  }
  const load = Promise.all(Array.from({ length: callers }, caller))
  await divide([])
  while (asked < rolling || moves < 3) {
    for (const apart of [['orders'], ['orders', 'catalog'], names, []]) {
      await divide(apart)
      moves++
    }
    for (const name of ['orders', 'catalog']) {
      await service(name).stop()
      await service(name).start()
    }
  }
  await load
  console.log(
    `${asked.toLocaleString('en')} requests while the topology changed ${moves} times and services were replaced: ${failed} failed.\n`,
  )
  return failed
}

async function start(directory: string, databaseUrl: string, cleanUp: (() => Promise<unknown>)[]): Promise<Product> {
  const file = join(directory, 'topology.json')
  const ports = new Map<string, number>()
  for (const app of ['gateway', ...names]) ports.set(app, await freePort())
  const urls = Object.fromEntries([...ports].map(([app, port]) => [settingOf(app), `http://127.0.0.1:${port}`]))
  const common = {
    ...process.env,
    NODE_ENV: 'development',
    DATABASE_URL: databaseUrl,
    APP_SECRET: secret,
    TOPOLOGY_FILE: file,
    LOG_LEVEL: 'fatal',
    OTEL_SDK_DISABLED: 'true',
    DATA_DIR: directory,
    ...urls,
  }
  const write = (apart: readonly string[]) => {
    const apps = apart.map((name) => [name, { port: ports.get(name), domains: [name] }])
    writeFileSync(`${file}.new`, JSON.stringify({ apps: Object.fromEntries(apps) }))
    renameSync(`${file}.new`, file)
  }
  write([])

  const children = new Map<string, ChildProcess>()
  async function run(app: string, program: string, args: string[], env: object): Promise<string> {
    const child = fork(join(import.meta.dirname, program), args, { env: { ...common, ...env } })
    children.set(app, child)
    const ready = new Promise<string>((resolve, reject) => {
      child.on('message', ({ type, url }: { type: string; url: string }) => type === 'ready' && resolve(url))
      child.once('exit', (code) => reject(new Error(`${app} ended with ${code}.`)))
    })
    return ready
  }
  async function stop(app: string): Promise<void> {
    const child = children.get(app)
    if (!child || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  cleanUp.push(() => Promise.all([...children.keys()].map(stop)))
  const url = await run('gateway', '../apps/gateway/src/main.ts', [], {
    PORT: await freePort().then(String),
    INTERNAL_PORT: String(ports.get('gateway')),
  })
  const startService = (name: string) => run(name, 'topology-service.ts', [name], {})
  await Promise.all(names.map(startService))

  const agent = new Agent({ keepAlive: true })
  cleanUp.push(async () => agent.destroy())
  function post(port: string, path: string, body: object, headers: Record<string, string>) {
    return new Promise<{ text: string; token?: string }>((resolve, reject) => {
      const text = JSON.stringify(body)
      const options = { host: '127.0.0.1', port, path, method: 'POST', agent }
      const request = send(options, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part) => parts.push(part))
        response.once('error', reject)
        response.once('end', () => {
          const token = response.headers['set-auth-token'] as string | undefined
          resolve({ text: Buffer.concat(parts).toString(), token })
        })
      })
      for (const [name, value] of Object.entries({ 'content-type': 'application/json', ...headers }))
        request.setHeader(name, value)
      request.once('error', reject)
      request.end(text)
    })
  }
  const { port } = new URL(url)
  const credentials = { email: 'owner@acme.test', password: 'offshoot-demo-1' }
  const { token } = await post(port, '/api/auth/sign-in/email', credentials, {})
  const headers = { authorization: `Bearer ${token}`, 'x-tenant': 'acme' }
  const askerAt = (port: string) => async (query: string) => {
    const { text } = await post(port, '/graphql', { query }, headers)
    if (!text.startsWith('{"data":')) throw new Error(text)
  }
  const ask = askerAt(port)

  async function calls(name: string): Promise<number> {
    const child = children.get(name)!
    child.send({ type: 'count' })
    for (;;) {
      const [message] = (await once(child, 'message')) as [{ type: string; calls: number }]
      if (message.type === 'count') return message.calls
    }
  }
  /** The services to which calls go at the moment, of those that every request asks. */
  async function called(): Promise<string> {
    const asked = ['catalog', 'identity', 'orders']
    const before = await Promise.all(asked.map(calls))
    await Promise.all([ask(short), sleep(50)])
    const after = await Promise.all(asked.map(calls))
    return asked.filter((_, at) => after[at]! > before[at]!).join()
  }
  return {
    headers,
    ask,
    async openGateway(way) {
      return askerAt(new URL(await run(way, 'codec-gateway.ts', [way], { ROLE: 'http' })).port)
    },
    async divide(apart) {
      write(apart)
      const wanted = ['catalog', 'identity', 'orders'].filter((name) => apart.includes(name)).join()
      for (let tries = 0; (await called()) !== wanted; tries++) {
        if (tries > 100) throw new Error(`Calls go to ${await called()} instead of ${wanted}.`)
        await sleep(100)
      }
    },
    service: (name) => ({
      stop: () => stop(name),
      async start() {
        await startService(name)
      },
    }),
  }
}
