// #region with catalog, orders
/**
 * What telemetry costs: three gateways, each on a PostgreSQL of its own, asked in turns. One sends traces, metrics and logs to a collector of this process;
 * one has telemetry switched off; one runs code in which every call of telemetry is an empty function.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { flagRegistry, startFlags } from '@offshoot/flags/runtime'
import { createLogger } from '@offshoot/host'
import { ordersDomain } from '@offshoot/orders'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import type { Program } from './bench.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { measure, median, type Variant } from './rounds.ts'

/** Short rounds, and many: a machine is never at rest for long, and only what is measured within the same second or two can be compared. Code is warm after some 2,000 requests. */
const rounds = { callers: 16, rounds: 60, duration: 500, warmUp: 8_000 }

const query = JSON.stringify({
  query: '{ orders(first: 10) { nodes { id status placedBy { name } lines { quantity product { name } } } } }',
})

export const run: Program = async () => {
  let received = 0
  const collector = createServer((request, response) => {
    request.on('data', (part: Buffer) => {
      received += part.length
    })
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
  }).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const { port } = collector.address() as AddressInfo
  const without = join(import.meta.dirname, 'without-telemetry.ts')
  const gateways: Gateway[] = []
  try {
    const on = await startGateway({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_METRIC_EXPORT_INTERVAL: '5000',
      RECENT_TRACES: 'false',
    })
    const off = await startGateway({ OTEL_SDK_DISABLED: 'true' })
    const none = await startGateway({ OTEL_SDK_DISABLED: 'true', NODE_OPTIONS: `--import ${without}` })
    gateways.push(on, off, none)
    const variants = [
      await variant('on', 'traces, metrics and logs by OTLP', on),
      await variant('off', 'switched off', off),
      await variant('none', 'its calls are empty functions', none),
    ] as const
    const figures = await measure(variants, rounds)
    const perSecond = variants.map((one) => figures.get(one)!)
    console.log(
      `Orders with their products and buyers, ${rounds.callers} callers; median of ${rounds.rounds} rounds.\n`,
    )
    for (const [at, { name, about }] of variants.entries())
      console.log(`${Math.round(perSecond[at]!.median).toString().padStart(6)}/s  ${name.padEnd(6)}${about}`)
    console.log(`\nThe collector got ${(received / 1e6).toFixed(1)} MB.`)

    const [withIt, disabled, never] = perSecond.map(({ rounds }) => rounds)
    const [onToOff, offToNone] = [ratios(withIt!, disabled!), ratios(disabled!, never!)]
    console.log(`Half of the rounds were within ${middle(onToOff)} (on ÷ off) and ${middle(offToNone)} (off ÷ none).`)
    const check = flagCheck()
    const startUp = startUpCost()
    const targets = [
      { what: 'throughput, on ÷ off', is: median(onToOff), atLeast: 0.85 },
      { what: 'throughput, off ÷ none', is: median(offToNone), atLeast: 0.99 },
      { what: 'a flag check, in µs', is: check, atMost: 2 },
      { what: 'start-up with the SDK, in ms', is: startUp, atMost: 150 },
    ]
    console.log()
    const met = ({ is, atLeast = 0, atMost = Number.POSITIVE_INFINITY }: (typeof targets)[number]) =>
      is >= atLeast && is <= atMost
    for (const target of targets) {
      const limit = target.atLeast === undefined ? `at most ${target.atMost}` : `at least ${target.atLeast}`
      console.log(
        `${met(target) ? 'met   ' : 'MISSED'}  ${target.what}: ${target.is.toFixed(target.is < 10 ? 3 : 0)}, ${limit}`,
      )
    }
    return targets.every(met)
  } finally {
    for (const gateway of gateways) await gateway.stop()
    collector.close()
    collector.closeAllConnections()
  }
}

async function variant(name: string, about: string, { url }: Gateway): Promise<Variant> {
  const signedIn = await fetch(`${url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'owner@acme.test', password: 'offshoot-demo-1' }),
  })
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${signedIn.headers.get('set-auth-token')}`,
    'x-tenant': 'acme',
  }
  return {
    name,
    about,
    async call() {
      const { data, errors } = (await (
        await fetch(`${url}/graphql`, { method: 'POST', headers, body: query })
      ).json()) as any
      if (errors || data.orders.nodes.length === 0) throw new Error(JSON.stringify(errors ?? data))
    },
  }
}

/** Of what was measured in the same round, sorted. */
const ratios = (one: readonly number[], other: readonly number[]): number[] =>
  one.map((figure, round) => figure / other[round]!).sort((a, b) => a - b)

/** The middle half of sorted figures: how far they can be trusted. */
const middle = (sorted: readonly number[]): string =>
  [0.25, 0.75].map((share) => sorted[Math.floor(share * sorted.length)]!.toFixed(2)).join('–')

/** How long it takes to ask for a flag while metrics are on, in µs. */
function flagCheck(): number {
  recordTelemetry()
  const [flag] = ordersDomain.definition.flags!
  const flags = startFlags({
    registry: flagRegistry([ordersDomain]),
    environment: 'bench',
    log: createLogger({ level: 'silent', production: true }),
  })
  const checks = 200_000
  const ask = () => {
    const began = performance.now()
    for (let i = 0; i < checks; i++) flags.isEnabled(flag!, { tenant: `tenant-${i % 100}`, user: 'somebody' })
    return ((performance.now() - began) * 1_000) / checks
  }
  ask()
  const times = [ask(), ask(), ask()].sort((a, b) => a - b)
  flags.stop()
  return times[1]!
}

/** How much later an app begins that loads the SDK with all exporters, in ms: the fastest start of several each way, in turns. What an app needs all the same costs nothing twice. */
function startUpCost(): number {
  const register = import.meta.resolve('@offshoot/telemetry/register')
  const app = `import '${import.meta.resolve('@offshoot/host/process')}'`
  const time = (env: object) => {
    const began = performance.now()
    execFileSync(process.execPath, ['--import', register, '--input-type=module', '-e', app], {
      env: { ...process.env, ...env },
    })
    return performance.now() - began
  }
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', INTERNAL_PORT: '9464' }
  const starts = Array.from({ length: 8 }, () => [time(endpoint), time({ OTEL_SDK_DISABLED: 'true' })] as const)
  return Math.min(...starts.map(([on]) => on)) - Math.min(...starts.map(([, off]) => off))
}

if (import.meta.main) process.exitCode = (await run()) ? 0 : 1
