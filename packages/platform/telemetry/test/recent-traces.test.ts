import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { RecentTraces } from '../src/recent-traces.ts'

function recording(most?: number) {
  const traces = new RecentTraces(most)
  const tracer = new TracerProvider({ spanProcessors: [traces] }).getTracer('test')
  const begin = (name: string, attributes = {}, parent?: Span, kind?: SpanKind) =>
    tracer.startSpan(name, { attributes, kind }, parent ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT)
  return { traces, begin }
}

describe('the recent traces', () => {
  it('are told by what they began with, the newest first, with what is in them', () => {
    const { traces, begin } = recording()
    begin('GET /').end()
    const root = begin('POST /graphql', { 'tenant.id': 'acme' })
    const call = begin('orders.place', { domain: 'orders' }, root)
    call.setStatus({ code: SpanStatusCode.ERROR })
    call.end()
    root.end()
    const [newest] = traces.list()
    expect(newest).toMatchObject({
      name: 'POST /graphql',
      spans: 2,
      failures: 1,
      domains: ['orders'],
      tenants: ['acme'],
    })
    expect(traces.list()).toHaveLength(2)
    expect(traces.list({ operation: 'PLACE' })).toEqual([newest])
    expect(traces.list({ tenant: 'acme' })).toEqual([newest])
    expect(traces.list({ tenant: 'globex' })).toEqual([])
    expect(traces.list({ failed: true })).toEqual([newest])
    expect(traces.find(newest!.id)?.spans.map(({ name, parent }) => [name, parent])).toEqual([
      ['POST /graphql', undefined],
      ['orders.place', root.spanContext().spanId],
    ])
    expect(traces.find('none')).toBeUndefined()
  })

  it('are joined by spans that end later', () => {
    const { traces, begin } = recording()
    const root = begin('POST /graphql')
    const handler = begin('process orders.OrderPlaced', {}, root)
    root.end()
    handler.end()
    expect(traces.find(root.spanContext().traceId)?.spans).toHaveLength(2)
  })

  it('are so many and no more, of so many spans and no more, with values of a bounded length', () => {
    const { traces, begin } = recording(3)
    for (let n = 0; n < 10; n++) begin(`trace ${n}`).end()
    expect(traces.list().map(({ name }) => name)).toEqual(['trace 9', 'trace 8', 'trace 7'])
    const root = begin('many', { 'db.query.text': 'x'.repeat(1e6) })
    for (let n = 0; n < 1_100; n++) begin('one', {}, root).end()
    root.end()
    const found = traces.find(root.spanContext().traceId)!
    expect(found.spans).toHaveLength(1_001)
    expect(found.name).toBe('many') // what everything is part of ends last
    expect(found.dropped).toBe(100)
    expect(JSON.stringify(found).length).toBeLessThan(500_000)
  })

  it.each([-5_000, -3, 3, 5_000])('stay in order when the clock is set by %i ms', (by) => {
    const { traces, begin } = recording()
    begin('before').end()
    const now = Date.now
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + by)
    onTestFinished(() => clock.mockRestore())
    for (let n = 0; n < 5; n++) begin(`trace ${n}`).end()
    const after = traces.list().flatMap(({ name }) => (name === 'before' ? [] : name))
    expect(after).toEqual(['trace 4', 'trace 3', 'trace 2', 'trace 1', 'trace 0'])
  })

  it('are not begun anew by late spans of those that are gone', () => {
    const { traces, begin } = recording(3)
    const created = begin('create orders.OrderPlaced')
    created.end()
    for (let n = 0; n < 3; n++) begin(`trace ${n}`).end()
    begin('process orders.OrderPlaced', {}, created, SpanKind.CONSUMER).end()
    expect(traces.list().map(({ name }) => name)).toEqual(['trace 2', 'trace 1', 'trace 0'])
  })

  it('are none of whoever polls, nor of those who look at them, unless that fails', () => {
    const { traces, begin } = recording()
    begin('SELECT outbox', {}, undefined, SpanKind.CLIENT).end()
    begin('GET /dev', { 'url.path': '/dev/traces' }, undefined, SpanKind.SERVER).end()
    expect(traces.list()).toEqual([])
    const failed = begin('SELECT outbox', {}, undefined, SpanKind.CLIENT)
    failed.setStatus({ code: SpanStatusCode.ERROR })
    failed.end()
    expect(traces.list()).toHaveLength(1)
  })

  it('take so much memory, however large they are', () => {
    const { traces, begin } = recording()
    const large = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`attribute ${n}`, 'x'.repeat(3_000)]))
    for (let n = 0; n < 20; n++) {
      const root = begin('large')
      for (let part = 0; part < 50; part++) begin('part', large, root).end()
      root.end()
    }
    const kept = traces.list()
    expect(kept.every(({ spans }) => spans === 51)).toBe(true) // those that were dropped are counted
    const characters = kept.reduce((sum, { id }) => sum + JSON.stringify(traces.find(id)).length, 0)
    expect(characters).toBeGreaterThan(16_000_000)
    expect(characters).toBeLessThan(34_000_000)
  })

  it('are called by the fields of an operation that has no name', () => {
    const { traces, begin } = recording()
    const root = begin('POST /graphql', {}, undefined, SpanKind.SERVER)
    const operation = begin('mutation', { 'graphql.operation.type': 'mutation' }, root)
    begin('resolve Mutation.placeOrder', {}, operation).end()
    operation.end()
    root.end()
    expect(traces.list()[0]!.name).toBe('mutation { placeOrder }')
  })
})
