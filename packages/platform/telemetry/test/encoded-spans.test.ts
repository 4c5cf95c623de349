import { ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { expect, it } from 'vitest'
import { EncodedSpan, encodeRequest } from '../src/encoded-spans.ts'

const exporter = new InMemorySpanExporter()
const provider = new TracerProvider({
  resource: resourceFromAttributes({
    'service.name': 'shop',
    'process.pid': 4_711,
    'deployment.regions': ['eu', 'us'],
  }),
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
  spanLimits: { attributeCountLimit: 12, eventCountLimit: 2, linkCountLimit: 2 },
})
const tracer = provider.getTracer('offshoot')

/** What a tracer has recorded. */
function recorded(record: () => void): ReadableSpan[] {
  exporter.reset()
  record()
  return exporter.getFinishedSpans()
}

/** The SDK's own encoder is the judge. */
function expectSameBytes(spans: ReadableSpan[]) {
  const ours = encodeRequest(spans.map((span) => new EncodedSpan(span)))
  expect(Buffer.from(ours)).toEqual(Buffer.from(ProtobufTraceSerializer.serializeRequest(spans)!))
}

it('spans of every kind are the bytes that the SDK makes of them', () => {
  const spans = recorded(() => {
    for (const kind of [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER])
      tracer.startSpan('orders.place', { kind, startTime: 1_764_500_000_123 }).end()
  })
  expect(spans).toHaveLength(5)
  expectSameBytes(spans)
})

it('attributes of all types and sizes, events, links, failures, parents near and far, and what was too much', () => {
  const remote = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1, isRemote: true }
  const spans = recorded(() => {
    const span = tracer.startSpan('GET /käse', { links: [{ context: remote, attributes: { n: 1 } }] })
    span.setAttributes({
      text: '',
      short: 'é',
      'at the limit': 'x'.repeat(127),
      long: 'ü€😀'.repeat(5_000),
      lone: '\ud800',
      zero: 0,
      large: Number.MAX_SAFE_INTEGER,
      negative: -1,
      fraction: 0.1,
      huge: 1e300,
      no: false,
      mixed: ['a', 'ö'],
    })
    span.setAttribute('too many', 1)
    for (const name of ['one', 'two', 'three']) span.addEvent(name, { numbers: [1, 2, 300], yes: true })
    for (const traceFlags of [0, 1]) span.addLink({ context: { ...remote, traceFlags, isRemote: false } })
    const inner = tracer.startSpan('inner', {}, trace.setSpan(ROOT_CONTEXT, span))
    inner.recordException(new TypeError('no'))
    inner.setStatus({ code: 2, message: 'failed' })
    inner.end()
    tracer.startSpan('far', {}, trace.setSpanContext(ROOT_CONTEXT, remote)).end()
    span.end()
  })
  expect(spans).toHaveLength(3)
  expectSameBytes(spans)
})

it('spans of several tracers, and more than fit into what is there', () => {
  const other = provider.getTracer('@opentelemetry/instrumentation-pg', '0.77.0', { schemaUrl: 'https://x.test/1.45' })
  const spans = recorded(() => {
    for (let n = 0; n < 500; n++) (n % 3 ? tracer : other).startSpan(`span ${n}`, { attributes: { n } }).end()
  })
  expectSameBytes(spans)
})
