import { ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import { describe, expect, it } from 'vitest'
import { RecentTraces } from '../src/recent-traces.ts'

function recording(most?: number) {
  const traces = new RecentTraces(most)
  const tracer = new TracerProvider({ spanProcessors: [traces] }).getTracer('test')
  const begin = (name: string, attributes = {}, parent?: Span) =>
    tracer.startSpan(name, { attributes }, parent ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT)
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
    expect(found.spans).toHaveLength(1_000)
    expect(found.dropped).toBe(101)
    expect(JSON.stringify(found).length).toBeLessThan(500_000)
  })
})
