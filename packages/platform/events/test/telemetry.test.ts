import { randomUUID } from 'node:crypto'
import { TEST_APP_SECRET } from '@offshoot/data/testing'
import { continuing, inSpan, traceparentOf } from '@offshoot/telemetry'
import { type Measured, recordTelemetry } from '@offshoot/telemetry/testing'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { envelopeSeal } from '../src/envelope.ts'
import { batchHandler, type Handler, handler, on, onPrepared } from '../src/index.ts'
import { rebuild } from '../src/rebuild.ts'
import type { Transport } from '../src/runtime.ts'
import { describeOverEachTransport } from './carriers.ts'
import { acme, Closed, globex, Noted, note, openShop, type Shop, type StartOptions, until } from './shop.ts'

const recording = recordTelemetry()
afterAll(() => recording.stop())
type Span = ReturnType<typeof recording.spans>[number]

/** Spans of events, and of what emits them. Transactions and statements have tests of their own. */
const isOurs = ({ name }: { name: string }) => /^(request|create|send|process) /.test(name)
const spans = () => recording.spans().filter(isOurs)
const named = (name: string) => spans().filter((span) => span.name === name)
const traceOf = (span: Span) => span.spanContext().traceId

/** `process it < create it < request it`: a span and what it is a part of. */
function path(span: Span): string {
  const above = span.parentSpanContext?.spanId
  const parent = recording.spans().find((other) => other.spanContext().spanId === above)
  const rest = parent ? path(parent) : above ? 'something elsewhere' : ''
  return isOurs(span) ? [span.name, rest].filter(Boolean).join(' < ') : rest
}
const tree = () => spans().map(path).sort()

/** Something that emits, in a trace of its own. */
const request = (work: () => Promise<void>) => inSpan('rpc.call', 'request it', {}, work)

async function measured<Name extends string>(name: Name, by: string): Promise<Measured[string]> {
  const series = (await recording.metrics())[name] ?? []
  return series.filter(({ labels }) => labels['offshoot.handler'] === by)
}

describeOverEachTransport('events in telemetry', (start) => {
  let shop: Shop
  let transport: Transport
  beforeAll(async () => {
    shop = await openShop(await start())
    transport = await shop.transport()
  })
  afterAll(() => shop.stop())
  beforeEach(() => recording.reset())

  async function running<T>(handlers: Handler | Handler[], work: () => Promise<T>, options?: StartOptions): Promise<T> {
    const runtime = await shop.start([handlers].flat(), { transport, ...options })
    try {
      return await work()
    } finally {
      await runtime.stop()
    }
  }
  const newName = (what: string) => `${what}-${randomUUID()}`
  const comesToBe = (order: string, notes: string) => until(async () => (await shop.noted(acme, order)) === notes)
  const rows = (sql: string, ...values: unknown[]) => shop.database.admin(sql, values) as Promise<any[]>

  it('are in one trace, from where they are emitted to what the last handler does', async () => {
    const order = randomUUID()
    const name = newName('closing')
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
      await comesToBe(order, 'closed ')
    })

    const first = 'create shop.Noted < request it'
    const second = `create shop.Closed < process shop.Noted < ${first}`
    const handled = [first, second].flatMap((created) => {
      const [, event] = created.split(' ')
      return [created, `send ${event} < ${created}`, `process ${event} < ${created}`]
    })
    expect(tree()).toEqual(['request it', ...handled].sort())
    expect(new Set(spans().map(traceOf)).size).toBe(1)
    expect(asked).toContain(named('process shop.Closed')[0]!.spanContext().spanId)
    // What the handler does in the database is a part of its span.
    const transactions = recording.spans().filter((span) => span.name === 'transaction shop')
    expect(transactions.map(path).filter((parent) => parent.startsWith('process '))).toHaveLength(2)

    const common = {
      'messaging.system': transport.system,
      'messaging.destination.name': 'shop.Noted',
      'messaging.message.id': named('create shop.Noted')[0]!.attributes['messaging.message.id'],
      domain: 'shop',
      'tenant.id': acme,
    }
    expect(named('send shop.Noted')).toMatchObject([
      { kind: 3, attributes: { ...common, 'messaging.operation.type': 'send' } },
    ])
    expect(named('process shop.Noted')).toMatchObject([
      {
        kind: 4,
        attributes: {
          ...common,
          'messaging.operation.type': 'process',
          'messaging.consumer.group.name': `shop.${name}`,
          'offshoot.event.attempt': 1,
        },
      },
    ])
    expect(await measured('messaging.process.duration', name)).toMatchObject([{ value: { count: 2 } }])
    const [delay] = await measured('offshoot.event.delay', name)
    expect(delay).toMatchObject({ labels: { domain: 'shop', 'offshoot.handler': name }, value: { count: 2 } })
    expect((delay!.value as { max: number }).max).toBeLessThan(5)
    const sent = (await recording.metrics())['messaging.client.sent.messages']!
    const labels = { 'messaging.system': transport.system, domain: 'shop', 'messaging.destination.name': 'shop.Closed' }
    expect(sent).toContainEqual({ labels, value: expect.any(Number) })
  })

  /** A handler of many that is held back until all of its events are there. */
  async function inOneBatch(
    emit: () => Promise<void>,
    orders: string[],
    fails: (events: unknown[]) => boolean = () => false,
  ): Promise<string> {
    const name = newName('batch')
    let holding = true
    const many = batchHandler<any, unknown>(
      name,
      [Noted],
      async ({ tx }, events) => {
        if (fails(events)) throw new Error('too many')
        for (const { data } of events) await note(tx, data.order, data.n)
      },
      { holds: () => holding },
    )
    await running(many, async () => {
      await emit()
      const waiting = () => rows(`SELECT FROM shop.inbox WHERE handler = $1 AND status = 'pending'`, name)
      await until(async () => (await waiting()).length === orders.length)
      holding = false
      for (const order of orders) await comesToBe(order, '1 ')
    })
    return name
  }

  it('of several traces are handled in a trace of its own, which links to each of them', async () => {
    const orders = [randomUUID(), randomUUID(), randomUUID()] as const
    const name = await inOneBatch(async () => {
      await request(() => shop.emit(acme, { order: orders[0], n: 1 }, { order: orders[1], n: 1 }))
      await request(() => shop.emit(acme, { order: orders[2], n: 1 }))
    }, [...orders])
    const processed = named('process shop.Noted')
    expect(processed).toHaveLength(1)
    expect(processed[0]).toMatchObject({
      parentSpanContext: undefined,
      attributes: { 'messaging.batch.message_count': 3, 'messaging.consumer.group.name': `shop.${name}` },
    })
    const linked = processed[0]!.links.map(({ context }) => context.traceId)
    expect(linked.sort()).toEqual(named('request it').map(traceOf).sort())
    expect(new Set(linked).size).toBe(2)
    expect(await measured('messaging.process.duration', name)).toMatchObject([{ value: { count: 1 } }])
    expect(await measured('offshoot.event.delay', name)).toMatchObject([{ value: { count: 3 } }])
  })

  it('of one trace are handled in it, several at once too', async () => {
    const orders = [randomUUID(), randomUUID()] as const
    await inOneBatch(() => request(() => shop.emit(acme, ...orders.map((order) => ({ order, n: 1 })))), [...orders])
    expect(named('process shop.Noted').map(path)).toEqual(['process shop.Noted < create shop.Noted < request it'])
    expect(named('process shop.Noted')[0]!.links).toEqual([])
  })

  it('that fail together are handled one by one, each in its own trace', async () => {
    const orders = [randomUUID(), randomUUID()]
    const emit = async () => {
      for (const order of orders) await request(() => shop.emit(acme, { order, n: 1 }))
    }
    await inOneBatch(emit, orders, (events) => events.length > 1)
    const alone = 'process shop.Noted < create shop.Noted < request it'
    expect(named('process shop.Noted').map(path)).toEqual(['process shop.Noted', alone, alone])
    expect(named('process shop.Noted')[0]).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'Error' } })
  })

  it('that fail are tried again and die in their trace, and so is what is logged about them', async () => {
    const order = randomUUID()
    const name = newName('failing')
    let left = 2
    const failing = handler(
      name,
      [
        on(Noted, async ({ tx }, { data }) => {
          if (data.order !== order) return
          if (left-- > 0) throw new TypeError('for jane@example.com')
          await note(tx, order, data.n)
        }),
      ],
      { attempts: 2 },
    )
    const dead = () => rows(`SELECT * FROM shop.inbox WHERE handler = $1 AND status = 'dead'`, name)
    await running(failing, async () => {
      await request(() => shop.emit(acme, { order, n: 1 }))
      await until(async () => (await dead()).length === 1)
      const gauges = await Promise.all(
        ['offshoot.event.dead', 'offshoot.inbox.waiting', 'offshoot.inbox.age'].map((gauge) => measured(gauge, name)),
      )
      expect(gauges.map(([series]) => series?.value)).toEqual([1, 0, 0])
      await shop.system.query('SELECT shop.revive($1, $2, $3, false)', [acme, name, (await dead())[0].id])
      await comesToBe(order, '1 ')
    })
    const attempts = named('process shop.Noted')
    expect(attempts.map(({ attributes }) => attributes['offshoot.event.attempt'])).toEqual([1, 2, 1]) // the last one is its replay
    expect(attempts.map(({ attributes }) => attributes['error.type'])).toEqual(['TypeError', 'TypeError', undefined])
    for (const attempt of attempts) expect(path(attempt)).toBe('process shop.Noted < create shop.Noted < request it')
    expect(JSON.stringify(attempts.map(({ events, status }) => [events, status]))).not.toContain('jane@')
    const logged = shop.logged.filter(({ details }) => details.handler === name)
    expect(logged.map(({ trace }) => trace?.split('-')[2])).toEqual(
      attempts.slice(0, 2).map((span) => span.spanContext().spanId),
    )
    const failures = await measured('offshoot.event.failures', name)
    expect(failures.map(({ labels, value }) => [labels['offshoot.event.outcome'], value])).toEqual([
      ['retry', 1],
      ['dead', 1],
    ])
    const durations = await measured('messaging.process.duration', name)
    expect(durations.map(({ labels, value }) => [labels['error.type'], (value as any).count])).toEqual([
      ['TypeError', 2],
      [undefined, 1],
    ])
  })

  it('of a trace that is not recorded are carried and handled without spans, and counted all the same', async () => {
    const order = randomUUID()
    const name = newName('unrecorded')
    const noting = handler(name, [
      on(Noted, async ({ tx }, { data }) => {
        if (data.order === order && data.n === 1) tx.emit(Noted, { order, n: 2 })
        if (data.order === order) await note(tx, order, data.n)
      }),
    ])
    const traceId = randomUUID().replaceAll('-', '')
    await running(noting, async () => {
      await continuing(`00-${traceId}-00f067aa0ba902b7-00`, () => shop.emit(acme, { order, n: 1 }))
      await comesToBe(order, '1 2 ')
    })
    expect(recording.spans().filter((span) => traceOf(span) === traceId || isOurs(span))).toEqual([])
    const kept = await rows('SELECT DISTINCT traceparent FROM shop.outbox WHERE aggregate = $1', `order/${order}`)
    for (const { traceparent } of kept) expect(traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
    expect(await measured('messaging.process.duration', name)).toMatchObject([{ value: { count: 2 } }])
  })

  it('with a forged, malformed or huge traceparent are handled like those without one', async () => {
    const seal = envelopeSeal(TEST_APP_SECRET)
    const forgeries: unknown[] = [
      '',
      'x',
      'a'.repeat(1_000_000),
      '\u0000',
      '00-00000000000000000000000000000000-0000000000000000-01',
      `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01\nforged: header`,
      null,
      17,
      true,
      [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`],
      { toString: 1, valueOf: 1 },
      undefined,
    ]
    const name = newName('trusting')
    const order = randomUUID()
    const noting = handler(name, [
      on(Noted, async ({ tx }, { data }) => {
        if (data.order.startsWith(order)) await note(tx, data.order, data.n)
      }),
    ])
    const messages = forgeries.map((traceparent, n) =>
      seal.seal({
        specversion: '1.0',
        id: randomUUID(),
        source: 'shop',
        type: Noted.name,
        subject: `order/${order}-${n}`,
        time: new Date().toISOString(),
        datacontenttype: 'application/json',
        dataversion: 1,
        tenantid: acme,
        traceparent: traceparent as string,
        revision: 1,
        lastbytype: '{}',
        data: { order: `${order}-${n}`, n: 1 },
      }),
    )
    await running(noting, async () => {
      for (const message of messages) await transport.publish('shop', [message])
      for (const n of forgeries.keys()) await comesToBe(`${order}-${n}`, '1 ')
    })
    const kept = await rows('SELECT DISTINCT traceparent FROM shop.inbox WHERE handler = $1', name)
    expect(kept).toEqual([{ traceparent: null }])
    expect(named('process shop.Noted').map(path)).toEqual(forgeries.map(() => 'process shop.Noted'))
  })

  it('that cannot be published are spans that failed, and tell how long they have waited', async () => {
    const name = newName('idle')
    const refuse = { ...transport, publish: () => Promise.reject(new RangeError('no')) }
    const idle = handler(name, [on(Closed, async () => {})])
    const labels = { domain: 'shop' }
    const outbox = async () => {
      const { 'offshoot.outbox.unpublished': unpublished, 'offshoot.outbox.age': age } = await recording.metrics()
      return [unpublished, age].map((series) => series!.find(({ labels }) => labels.domain === 'shop')!.value as number)
    }
    await running(
      idle,
      async () => {
        await request(() => shop.emit(globex, { order: randomUUID(), n: 1 }))
        await until(() => named('send shop.Noted').length > 0)
        const [unpublished, age] = await outbox()
        expect(unpublished).toBe(1)
        expect(age).toBeGreaterThan(0)
        expect(await measured('offshoot.inbox.waiting', name)).toEqual([
          { labels: { ...labels, 'offshoot.handler': name }, value: 0 },
        ])
      },
      { transport: refuse },
    )
    expect(named('send shop.Noted')[0]).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'RangeError' },
    })
    await running(idle, () => until(async () => (await outbox())[0] === 0))
    expect(await outbox()).toEqual([0, 0])
  })

  it('that a projection is built again from are no spans', async () => {
    const projection = handler('projection', [on(Noted, async ({ tx }, { data }) => note(tx, data.order, data.n))], {
      rebuild: { forget: (tx) => tx.order.deleteMany({}) },
    })
    const historyOf = async () => shop.system
    const log = { info() {}, warn() {}, error() {} }
    const { events } = await rebuild({ domain: 'shop', handler: projection, lanes: shop.lanes, historyOf, log })
    expect(events).toBeGreaterThan(5)
    expect(recording.spans()).toEqual([])
  })
})
