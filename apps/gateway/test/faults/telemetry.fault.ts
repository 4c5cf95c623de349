import { readFileSync } from 'node:fs'
import { demo } from '@offshoot/host'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openReceiver, type Receiver } from '../../../../packages/platform/telemetry/test/receiver.ts'
import { freePort, openProduct, type Process, type Product, until } from './product.ts'

const register = import.meta.resolve('@offshoot/telemetry/register')
/** Requests of one look at how long they take. */
const looks = 300

describe('a collector', () => {
  let product: Product
  let token: string
  /** Without telemetry. */
  let usual: { median: number; exit: number }
  beforeAll(async () => {
    product = await openProduct({ processes: 1 }) // plants the demo
    const [first] = product.processes
    const answer = await fetch(`${first!.url}/api/auth/sign-in/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'owner@acme.test', password: demo.password }),
    })
    token = answer.headers.get('set-auth-token')!
    const process = await product.start({ NODE_ENV: 'development' })
    await durations(process)
    usual = { median: median(await durations(process)), exit: await exit(process) }
  })
  afterAll(() => product.stop())

  const startFor = (url: string) =>
    product.start({
      NODE_OPTIONS: `--import ${register}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
    })

  /** How long requests take, four at a time, in ms; each must succeed. */
  async function durations({ url }: Process): Promise<number[]> {
    const taken: number[] = []
    async function asker(): Promise<void> {
      while (taken.length < looks) {
        const started = performance.now()
        const answer = await fetch(`${url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'x-tenant': 'acme' },
          body: JSON.stringify({ query: '{ products(first: 5) { nodes { id name } } }' }),
        })
        expect(await answer.json()).not.toHaveProperty('errors')
        taken.push(performance.now() - started)
      }
    }
    await Promise.all([asker(), asker(), asker(), asker()])
    return taken
  }

  /** Waits for the end that SIGTERM asks for; answers how long it took, in ms. */
  async function exit({ pid, ended }: Process): Promise<number> {
    const started = performance.now()
    globalThis.process.kill(pid, 'SIGTERM')
    await ended
    return performance.now() - started
  }

  it.each([
    ['is absent', undefined],
    ['takes 10 s', { delay: 10_000 }],
    ['fails', { answer: 500 }],
    ['is overloaded', { answer: 503 }],
  ])(
    '%s: no request is slower for it, memory stays bounded, and the end takes 2 s longer at most',
    async (_, behaviour) => {
      const receiver = behaviour && (await openReceiver(behaviour))
      const process = await startFor(receiver?.url ?? `http://127.0.0.1:${await freePort()}`)
      await durations(process)
      const taken = await durations(process)
      const before = residentMegabytes(process)
      for (let round = 0; round < 5; round++) taken.push(...(await durations(process)))
      expect(median(taken)).toBeLessThan(usual.median * 2 + 5)
      expect(Math.max(...taken)).toBeLessThan(1_000)
      expect(residentMegabytes(process) - before).toBeLessThan(100)
      expect(await exit(process)).toBeLessThan(usual.exit + 2_500)
      await receiver?.close()
    },
  )

  it('dies and comes back: so do traces, and what it missed was nobody’s wait', async () => {
    const port = await freePort()
    let receiver: Receiver = await openReceiver({ port })
    const process = await startFor(receiver.url)
    await durations(process)
    await until(() => receiver.received('traces').includes('catalog.list'))
    await receiver.close()
    expect(Math.max(...(await durations(process)))).toBeLessThan(1_000)
    receiver = await openReceiver({ port })
    await until(async () => {
      await durations(process)
      return receiver.received('traces').includes('catalog.list') && receiver.received('metrics') !== ''
    })
    expect(await exit(process)).toBeLessThan(usual.exit + 500)
    await receiver.close()
  })
})

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

function residentMegabytes({ pid }: Process): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1_024
}
