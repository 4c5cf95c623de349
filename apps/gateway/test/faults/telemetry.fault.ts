import { readFileSync } from 'node:fs'
import { freePort } from '@offshoot/data/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openReceiver, type Receiver } from '../../../../packages/platform/telemetry/test/receiver.ts'
import { openProduct, type Process, type Product, until } from './product.ts'

const register = import.meta.resolve('@offshoot/telemetry/register')
/** Requests of one look at how long they take. */
const looks = 60

describe('a collector', () => {
  let product: Product
  let token: string
  beforeAll(async () => {
    product = await openProduct({ processes: 1 }) // plants the demo
    token = await product.signIn('owner@acme.test')
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
          body: JSON.stringify({ query: '{ organization { members { id user { name } } } }' }),
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
      const usual = await product.start()
      const told = await startFor(receiver?.url ?? `http://127.0.0.1:${await freePort()}`)
      for (const process of [usual, told]) await durations(process)
      const before = { usual: residentMegabytes(usual), told: residentMegabytes(told) }
      // In turns, so that whatever else the machine does slows both.
      const taken = { usual: [] as number[], told: [] as number[] }
      for (let round = 0; round < 3; round++) {
        taken.usual.push(...(await durations(usual)))
        taken.told.push(...(await durations(told)))
      }
      expect(median(taken.told)).toBeLessThan(median(taken.usual) * 2 + 5)
      expect(Math.max(...taken.told)).toBeLessThan(Math.max(...taken.usual) + 1_000)
      expect(residentMegabytes(told) - before.told).toBeLessThan(residentMegabytes(usual) - before.usual + 100)
      const usually = await exit(usual)
      expect(await exit(told)).toBeLessThan(usually + 2_500)
      await receiver?.close()
    },
    120_000,
  )

  it('dies and comes back: so do traces, and what it missed was nobody’s wait', async () => {
    const port = await freePort()
    let receiver: Receiver = await openReceiver({ port })
    const usual = await product.start()
    const process = await startFor(receiver.url)
    for (const one of [usual, process]) await durations(one)
    await until(() => receiver.received('traces').includes('identity.members'))
    await receiver.close()
    const usually = Math.max(...(await durations(usual)))
    expect(Math.max(...(await durations(process)))).toBeLessThan(usually + 1_000)
    receiver = await openReceiver({ port })
    await until(async () => {
      await durations(process)
      return receiver.received('traces').includes('identity.members') && receiver.received('metrics') !== ''
    })
    const usualExit = await exit(usual)
    expect(await exit(process)).toBeLessThan(usualExit + 500)
    await receiver.close()
  })
})

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

function residentMegabytes({ pid }: Process): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1_024
}
