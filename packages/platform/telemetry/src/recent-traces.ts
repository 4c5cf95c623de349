import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace'

/** A span that has ended, as plain data. */
export interface RecordedSpan {
  id: string
  parent: string | undefined
  name: string
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  /** When it began, in ms since the epoch, with fractions. */
  start: number
  /** In ms. */
  duration: number
  failed: boolean
  attributes: Record<string, string>
  events: { name: string; at: number; attributes: Record<string, string> }[]
  /** Traces and spans that it has to do with. */
  links: { trace: string; span: string }[]
}

export interface RecordedTrace {
  id: string
  /** As in its summary. */
  name: string
  /** In the order in which they began. */
  spans: RecordedSpan[]
  /** Spans that were more than are kept of one trace. */
  dropped: number
}

export interface TraceSummary {
  id: string
  /** What it began with: the operation of a GraphQL request, otherwise the first span. */
  name: string
  /** In ms since the epoch. */
  start: number
  /** From its first beginning to its last end, in ms. */
  duration: number
  spans: number
  failures: number
  domains: string[]
  tenants: string[]
}

export interface TraceFilter {
  tenant?: string
  /** Part of the name of any of its spans, in any case. */
  operation?: string
  failed?: boolean
}

const mostSpans = 1_000
const longestValue = 2_000
const kinds = ['internal', 'server', 'client', 'producer', 'consumer'] as const

/** The last traces of this process, in memory: for development. Spans that end late, such as those of event handlers, join their trace as long as it is kept. */
export class RecentTraces implements SpanProcessor {
  readonly #traces = new Map<string, { spans: RecordedSpan[]; dropped: number }>()
  readonly #most: number

  constructor(most = 200) {
    this.#most = most
  }

  /** The SDK knows beginnings to the millisecond, in which much of a request happens. */
  readonly #begun = new WeakMap<object, number>()

  onStart(span: Span): void {
    const now = performance.timeOrigin + performance.now()
    if (Math.abs(now - milliseconds(span.startTime)) < 2) this.#begun.set(span, now)
  }

  onEnd(span: ReadableSpan): void {
    const { traceId } = span.spanContext()
    const trace = this.#traces.get(traceId) ?? { spans: [], dropped: 0 }
    if (trace.spans.length < mostSpans) trace.spans.push(recorded(span, this.#begun.get(span)))
    else trace.dropped++
    this.#traces.set(traceId, trace)
    for (const oldest of this.#traces.keys()) {
      if (this.#traces.size <= this.#most) break
      this.#traces.delete(oldest)
    }
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {
    this.#traces.clear()
  }

  /** The newest first. */
  list({ tenant, operation, failed }: TraceFilter = {}): TraceSummary[] {
    const wanted = operation?.toLowerCase()
    return [...this.#traces]
      .filter(([, { spans }]) => !wanted || spans.some(({ name }) => name.toLowerCase().includes(wanted)))
      .map(([id, { spans, dropped }]) => summaryOf(id, spans, dropped))
      .filter((trace) => (!tenant || trace.tenants.includes(tenant)) && (!failed || trace.failures > 0))
      .sort((a, b) => b.start - a.start)
  }

  find(id: string): RecordedTrace | undefined {
    const trace = this.#traces.get(id)
    if (!trace) return undefined
    const { spans, dropped } = trace
    return { id, name: summaryOf(id, spans, dropped).name, spans: spans.toSorted((a, b) => a.start - b.start), dropped }
  }
}

function summaryOf(id: string, spans: readonly RecordedSpan[], dropped: number): TraceSummary {
  const start = Math.min(...spans.map((span) => span.start))
  const ids = new Set(spans.map((span) => span.id))
  const roots = spans.filter(({ parent }) => !parent || !ids.has(parent)).sort((a, b) => a.start - b.start)
  const valuesOf = (name: string) => [...new Set(spans.flatMap(({ attributes }) => attributes[name] ?? []))]
  return {
    id,
    name: nameOf(roots[0] ?? spans[0]!, spans),
    start,
    duration: Math.max(...spans.map((span) => span.start + span.duration)) - start,
    spans: spans.length + dropped,
    failures: spans.filter(({ failed }) => failed).length,
    domains: valuesOf('domain').sort(),
    tenants: valuesOf('tenant.id'),
  }
}

/** A request is known by its operation. */
function nameOf({ name, kind }: RecordedSpan, spans: readonly RecordedSpan[]): string {
  const operation = spans.find(({ attributes }) => 'graphql.operation.type' in attributes)
  return kind === 'server' && operation ? operation.name : name
}

function recorded(span: ReadableSpan, start = milliseconds(span.startTime)): RecordedSpan {
  return {
    id: span.spanContext().spanId,
    parent: span.parentSpanContext?.spanId,
    name: span.name.slice(0, 200),
    kind: kinds[span.kind] ?? 'internal',
    start,
    duration: milliseconds(span.duration),
    failed: span.status.code === 2,
    attributes: texts(span.attributes),
    events: span.events.map(({ name, time, attributes = {} }) => ({
      name,
      at: milliseconds(time),
      attributes: texts(attributes),
    })),
    links: span.links.map(({ context }) => ({ trace: context.traceId, span: context.spanId })),
  }
}

const milliseconds = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1_000 + nanoseconds / 1e6

const texts = (attributes: object) =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value).slice(0, longestValue)]))
