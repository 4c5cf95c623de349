import { randomUUID } from 'node:crypto'
import { inSpan, traceparentOf } from '@offshoot/telemetry'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { batchHandler, type Handler, handler, on, onPrepared } from '../src/index.ts'
import type { Transport } from '../src/runtime.ts'
import { describeOverEachTransport } from './carriers.ts'
import { acme, Closed, globex, Noted, note, openShop, type Shop, type StartOptions, until } from './shop.ts'

const recording = recordTelemetry()
beforeEach(() => recording.reset())

describeOverEachTransport('events in telemetry', (start) => {
  let shop: Shop
  let system: string
  beforeAll(async () => {
    shop = await openShop(await start())
    system = (await shop.transport()).system
  })
  afterAll(() => shop.stop())

  async function running<T>(handlers: Handler | Handler[], work: () => Promise<T>, options?: StartOptions): Promise<T> {
    const runtime = await shop.start([handlers].flat(), options)
    try {
      return await work()
    } finally {
      await runtime.stop()
    }
  }

  const spans = () => recording.spans().filter(({ name }) => /^(request|create|send|process) /.test(name))
  const spanOf = (span: { parentSpanContext?: { spanId: string } }) =>
    recording.spans().find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId)
  /** `request <- create`: a span and what it is a part of. Transactions and statements have tests of their own. */
  function path(span: ReturnType<typeof spans>[number]): string {
    const parent = spanOf(span)
    const rest = parent ? path(parent) : span.parentSpanContext ? 'elsewhere' : ''
    return /^(request|create|send|process) /.test(span.name) ? [span.name, rest].filter(Boolean).join(' < ') : rest
  }
  const tree = () => spans().map(path).sort()
  /** Something that emits, within a trace of its own. */
  const request = <T>(work: () => Promise<T>) =>
    context.with(ROOT_CONTEXT, () => inSpan('rpc.call', 'request it', {}, work))

  it('are in one trace, from where they are emitted to what the last handler does', async () => {
    const order = randomUUID()
    const name = `closing-${randomUUID()}`
    let asked: string | undefined
    const closing = handler(name, [
      on(Noted, async ({ tx }, { data }) => {
        if (data.order === order) tx.emit(Closed, { order })
      }),
      onPrepared(
        Closed,
        async () => {
          asked = traceparentOf()
        },
        async ({ tx }) => note(tx, order, 'closed'),
      ),
    ])
    await running(closing, async () => {
      await request(() => shop.emit(acme, { order, n: 1 }))
      await until(async () => (await shop.noted(acme, order)) === 'closed ')
    })
    const request1 = 'create shop.Noted < request it'
    const second = `create shop.Closed < process shop.Noted < ${request1}`
    expect(tree()).toEqual(
      [
        'request it',
        request1,
        `send shop.Noted < ${request1}`,
        `process shop.Noted < ${request1}`,
        second,
        `send shop.Closed < ${second}`,
        `process shop.Closed < ${second}`,
      ].sort(),
    )
    expect(new Set(spans().map((span) => span.spanContext().traceId)).size).toBe(1)
    const [sent, processed] = ['send shop.Noted', 'process shop.Noted'].map(
      (name) => spans().find((span) => span.name === name)!,
    )
    const common = {
      'messaging.system': system,
      'messaging.destination.name': 'shop.Noted',
      'messaging.message.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      domain: 'shop',
      'tenant.id': acme,
    }
    expect(sent).toMatchObject({ kind: 3, attributes: { ...common, 'messaging.operation.type': 'send' } })
    expect(processed).toMatchObject({
      kind: 4,
      attributes: {
        ...common,
        'messaging.operation.type': 'process',
        'messaging.consumer.group.name': `shop.${name}`,
        'offshoot.event.attempt': 1,
      },
    })
    const last = spans().find((span) => span.name === 'process shop.Closed')!
    expect(asked).toContain(last.spanContext().spanId)
    const written = recording.spans().filter((span) => /order/.test(span.name) && spanOf(span))
    for (const span of written) expect(path(span)).toMatch(/^process /)
  })
})
