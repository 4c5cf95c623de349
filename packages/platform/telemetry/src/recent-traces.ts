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
const mostAttributes = 48
/** Events of a span, and links. */
const mostOfEach = 16
/** In characters: of one trace, of all of them, and what a span takes beside its texts. */
const mostOfTrace = 4_000_000
const mostCharacters = 32_000_000
const spanItself = 200
/** How many traces that are gone are remembered, so that their late spans do not begin others. */
const mostGone = 5_000
/** By how many ms the clock has to differ from what has elapsed. Following it by less would put beginnings out of order. */
const clockWasSet = 20
/** Pages of development, which those who look at traces do not look for. */
const pages = /^\/(dev(\/.*)?|home-page\.js)$/
const kinds = ['internal', 'server', 'client', 'producer', 'consumer'] as const

/** The last traces of this process, in memory: for development. Spans that end late, such as those of event handlers, join their trace as long as it is kept. */
export class RecentTraces implements SpanProcessor {
  readonly #traces = new Map<string, Kept>()
  readonly #gone = new Set<string>()
  #characters = 0
  readonly #most: number

  constructor(most = 200) {
    this.#most = most
  }

  /** The SDK knows beginnings to the millisecond, in which much of a request happens. */
  readonly #begun = new WeakMap<object, number>()
  /** When `performance.now()` was 0, by the clock. */
  #origin = Date.now() - performance.now()

  onStart(span: Span): void {
    const elapsed = performance.now()
    const clock = Date.now()
    if (Math.abs(clock - this.#origin - elapsed) > clockWasSet) this.#origin = clock - elapsed
    const beginsNow = Math.abs(clock - milliseconds(span.startTime)) < 2
    if (beginsNow) this.#begun.set(span, this.#origin + elapsed)
  }

  onEnd(span: ReadableSpan): void {
    const { traceId } = span.spanContext()
    if (this.#gone.has(traceId)) return
    const kept = this.#traces.get(traceId)
    if (!kept && isNoise(span)) return
    const trace = kept ?? { spans: [], dropped: 0, characters: 0 }
    this.#traces.set(traceId, trace)
    // What everything is part of ends last, and stays.
    const full = trace.spans.length >= mostSpans || trace.characters > mostOfTrace
    if (full && span.parentSpanContext) trace.dropped++
    else {
      const plain = recorded(span, this.#begun.get(span))
      const characters = spanItself + charactersOf(plain)
      trace.spans.push(plain)
      trace.characters += characters
      this.#characters += characters
    }
    for (const oldest of this.#traces.keys()) {
      if (this.#traces.size <= this.#most && this.#characters <= mostCharacters) break
      this.#forget(oldest)
    }
  }

  #forget(id: string): void {
    this.#characters -= this.#traces.get(id)?.characters ?? 0
    this.#traces.delete(id)
    this.#gone.add(id)
    const [first] = this.#gone
    if (first && this.#gone.size > mostGone) this.#gone.delete(first)
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {
    this.#traces.clear()
    this.#gone.clear()
    this.#characters = 0
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

interface Kept {
  spans: RecordedSpan[]
  dropped: number
  characters: number
}

/** What begins a trace that nobody looks for: a statement that is part of nothing, as of whoever polls, and a page of development. */
function isNoise({ parentSpanContext, kind, status, attributes }: ReadableSpan): boolean {
  if (parentSpanContext || status.code === 2) return false
  return kinds[kind] === 'client' || pages.test(String(attributes['url.path'] ?? ''))
}

/** About how many characters there are in it. */
function charactersOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  let characters = 0
  for (const [name, inner] of Object.entries(value)) characters += name.length + charactersOf(inner)
  return characters
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

/** A request is known by its operation, and one without a name by its fields. */
function nameOf({ name, kind }: RecordedSpan, spans: readonly RecordedSpan[]): string {
  const operation = spans.find(({ attributes }) => 'graphql.operation.type' in attributes)
  if (kind !== 'server' || !operation) return name
  if ('graphql.operation.name' in operation.attributes) return operation.name
  const fields = spans.flatMap((span) =>
    span.parent === operation.id ? (/^resolve (?:Query|Mutation)\.(\w+)$/.exec(span.name)?.[1] ?? []) : [],
  )
  return fields.length > 0 ? `${operation.name} { ${[...new Set(fields)].slice(0, 5).join(' ')} }` : operation.name
}

function recorded(span: ReadableSpan, start = milliseconds(span.startTime)): RecordedSpan {
  return {
    id: span.spanContext().spanId,
    parent: span.parentSpanContext?.spanId,
    name: clipped(span.name, 200),
    kind: kinds[span.kind] ?? 'internal',
    start,
    duration: milliseconds(span.duration),
    failed: span.status.code === 2,
    attributes: texts(span.attributes),
    events: span.events.slice(0, mostOfEach).map(({ name, time, attributes = {} }) => ({
      name,
      at: milliseconds(time),
      attributes: texts(attributes),
    })),
    links: span.links.slice(0, mostOfEach).map(({ context }) => ({ trace: context.traceId, span: context.spanId })),
  }
}

const milliseconds = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1_000 + nanoseconds / 1e6

const texts = (attributes: object) =>
  Object.fromEntries(
    Object.entries(attributes)
      .slice(0, mostAttributes)
      .map(([name, value]) => [clipped(name, 200), clipped(String(value), longestValue)]),
  )

/** A part of a string keeps all of it in memory, unless it is copied. */
const clipped = (text: string, longest: number) =>
  text.length <= longest ? text : Buffer.from(text.slice(0, longest), 'utf16le').toString('utf16le')
