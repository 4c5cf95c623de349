import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { openReceiver, type Receiver } from '../receiver.ts'
import { endOf, openShop, type Shop } from '../shop.ts'

let receiver: Receiver | undefined
let shop: Shop | undefined
afterEach(async () => {
  await shop?.stop()
  await receiver?.close()
  shop = receiver = undefined
})

async function openBoth(env: Record<string, string> = {}): Promise<{ receiver: Receiver; shop: Shop }> {
  receiver = await openReceiver()
  shop = await openShop({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env })
  return { receiver, shop }
}

const ask = (path: string, headers: Record<string, string> = {}) => fetch(`${shop!.url}${path}`, { headers })

const watchLoads = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  registerHooks({ load(url, context, next) {
    if (/opentelemetry.(sdk|instrumentation|exporter|otlp)/.test(url)) process.stdout.write(url + '\\n')
    return next(url, context)
  } })`)}`

describe('a process that nobody wants to hear of', () => {
  it('loads nothing of the SDK', async () => {
    shop = await openShop({}, { before: [watchLoads] })
    await ask('/orders')
    expect(shop.output()).toBe('')
  })

  it('loads nothing either when OpenTelemetry is switched off', async () => {
    shop = await openShop(
      { OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', NODE_ENV: 'development' },
      { before: [watchLoads] },
    )
    expect(shop.output()).toBe('')
  })
})

describe('what leaves a process', () => {
  it('is traces, metrics and logs, to where the standard variables say, all of it before it ends', async () => {
    const { receiver, shop } = await openBoth({
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20collector',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.region=eu-north',
    })
    await ask('/orders')
    await shop.stop()
    const traces = receiver.received('traces')
    const resource = ['offshoot-test', 'eu-north', 'production']
    const statement = ['SELECT pg_class', 'db.operation.name', 'WHERE relname = $1', '22P02']
    for (const said of [...resource, ...statement, 'http.request.method', 'orders.place'])
      expect(traces).toContain(said)
    expect(receiver.received('metrics')).toContain('process.memory.usage')
    expect(receiver.received('metrics')).toContain('nodejs.eventloop')
    expect(receiver.received('logs')).toContain('slow order')
    expect(receiver.headers.every(({ authorization }) => authorization === 'Bearer collector')).toBe(true)
  })

  it('has no value of a statement, no query of a URL and no secret of a path', async () => {
    const { receiver, shop } = await openBoth()
    await ask('/orders?email=CANARY-query')
    await ask('/api/auth/reset-password/CANARY-path?token=CANARY-token', {
      authorization: 'Bearer CANARY-bearer',
      cookie: 'a=CANARY-cookie',
    })
    await shop.stop()
    expect(receiver.received()).toContain('/api/auth/reset-password/:token')
    expect(receiver.received()).not.toContain('CANARY')
  })

  it('has its name from who runs it, and only the signals that have a collector', async () => {
    receiver = await openReceiver()
    shop = await openShop({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
      OTEL_SERVICE_NAME: 'till',
    })
    await ask('/orders')
    await shop.stop()
    expect(receiver.received('traces')).toContain('till')
    expect(receiver.received('metrics') + receiver.received('logs')).toBe('')
  })

  it('is a sample, when that is asked for', async () => {
    const { receiver, shop } = await openBoth({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' })
    await ask('/orders')
    await shop.stop()
    expect(receiver.received('traces')).toBe('')
    expect(receiver.received('logs')).toContain('slow order')
  })
})

describe('a trace that began elsewhere', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736'
  const traceparent = `00-${id}-00f067aa0ba902b7-01`
  const bytes = Buffer.from(id, 'hex').toString('latin1')

  it('is continued only where somebody said so', async () => {
    const { receiver, shop } = await openBoth()
    await ask('/orders', { traceparent })
    await shop.stop()
    expect(receiver.received('traces')).toContain('orders.place')
    expect(receiver.received('traces')).not.toContain(bytes)
  })

  it('is continued then, and what is no trace is not', async () => {
    const { receiver, shop } = await openBoth({ TRUST_TRACEPARENT: 'true' })
    for (const wrong of [
      '00-',
      `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
      'x'.repeat(8_000),
      `${traceparent}-${'y'.repeat(5_000)}`,
    ])
      expect((await ask('/orders', { traceparent: wrong, tracestate: 'a=b,'.repeat(1_000) })).status).toBe(200)
    await ask('/orders', { traceparent })
    await shop.stop()
    expect(receiver.received('traces')).toContain(bytes)
    expect(receiver.received('traces')).not.toContain('xxxxxxxxxx')
  })
})

describe('metrics for Prometheus', () => {
  it('have few series, however many labels there are', async () => {
    shop = await openShop({ INTERNAL_PORT: '1' })
    await ask('/labels')
    const text = await (await ask('/metrics')).text()
    expect(text).toMatch(/^process_uptime \d/m)
    expect(new Set(text.match(/label-\d+/g)).size).toBeLessThanOrEqual(2_000)
    expect(text).toContain('otel_metric_overflow="true"')
  })
})

describe('development', () => {
  it('keeps the last traces in memory', async () => {
    shop = await openShop({ NODE_ENV: 'development' })
    expect(await (await ask('/orders')).text()).toBe('recent')
  })
})

describe('settings that cannot be used', () => {
  it('end the process, with all that is wrong and no secret', async () => {
    const { code, output } = await endOf({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_HEADERS: 'CANARY',
    })
    expect(code).toBe(1)
    expect(output).toBe(
      [
        'Telemetry cannot be set up:',
        '  OTEL_EXPORTER_OTLP_HEADERS: must be name=value, several separated by commas',
        '  OTEL_EXPORTER_OTLP_ENDPOINT: must be http://… or https://…',
        '  OTEL_EXPORTER_OTLP_PROTOCOL: is "grpc"; only http/protobuf is supported, usually on port 4318',
        '',
      ].join('\n'),
    )
  })
})

describe('what was loaded before telemetry', () => {
  const here = 'data:text/javascript,import "node:http"'

  it('is seen all the same, when it is what the app uses', async () => {
    receiver = await openReceiver()
    const early = new URL('early.ts', pathToFileURL(`${import.meta.dirname}/../programs/`)).href
    shop = await openShop({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }, { before: [here, early] })
    await ask('/orders')
    await shop.stop()
    expect(receiver.received('traces')).toContain('http.request.method')
    expect(receiver.received('traces')).toContain('SELECT pg_class')
  })

  it('ends the process, when it is a copy of pg that nothing will be seen of', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'offshoot-'))
    const copy = join(directory, 'node_modules/pg/lib/client.js')
    await mkdir(join(copy, '..'), { recursive: true })
    await writeFile(copy, 'module.exports = class Client { query() {} }')
    const { code, output } = await endOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }, [copy])
    await rm(directory, { recursive: true })
    expect(code).toBe(1)
    expect(output).toContain(`pg was loaded too early: ${copy}`)
    expect(output).toContain('node --import @offshoot/telemetry/register')
  })

  it('ends the process, when it lets nothing be instrumented', async () => {
    const frozen =
      'data:text/javascript,import http from "node:http"; Object.defineProperty(http.Server.prototype, "emit", { value: http.Server.prototype.emit, writable: false })'
    const { code, output } = await endOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }, [frozen])
    expect(code).toBe(1)
    expect(output).toContain('http cannot be instrumented')
  })
})

describe.concurrent('a collector that does not take what it is sent', () => {
  it.each([
    ['is absent', undefined],
    ['refuses', { answer: 500 }],
    ['is overloaded', { answer: 503 }],
    ['takes 10 s', { delay: 10_000 }],
  ])('%s: nobody waits for it, at the end 2 s at most, and it is said once', async (_, behaviour) => {
    const receiver = await openReceiver(behaviour)
    if (!behaviour) await receiver.close()
    const { url, stop, output } = await openShop({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })
    for (let n = 0; n < 20; n++) expect((await fetch(`${url}/orders`)).status).toBe(200)
    expect(await stop()).toBeLessThan(2_600)
    if (behaviour) await receiver.close()
    const said = output().split('\n').filter(Boolean)
    expect(said.length).toBeLessThanOrEqual(1)
    for (const line of said)
      expect(JSON.parse(line)).toMatchObject({ level: 'warn', msg: expect.stringMatching('telemetry') })
  })
})
