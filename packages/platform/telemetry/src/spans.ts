import {
  type Context,
  context,
  INVALID_SPAN_CONTEXT,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { on } from './on.ts'
import { framesOf, safeMessage } from './redaction.ts'
import { type AttributesOf, type SpanKey, spans } from './registry.ts'

const tracer = trace.getTracer('offshoot')
/** What spans are while nothing is traced. */
const nothing = trace.wrapSpanContext(INVALID_SPAN_CONTEXT)

export interface SpanOptions<Key extends SpanKey> {
  attributes?: AttributesOf<Key>
  /** What it is a part of, when that is not what is under way here. */
  parent?: Context
  links?: Link[]
  /** When it began, when that was not now: in ms of `Date.now()`. */
  startTime?: number
}

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
}

/** Begins a span of a registered kind. Whoever begins it ends it, with `endSpan`. */
export function startSpan<Key extends SpanKey>(key: Key, name: string, options: SpanOptions<Key> = {}): Span {
  if (!on.traces) return nothing
  const { attributes, parent, links, startTime } = options
  const span = tracer.startSpan(name, { kind: kinds[spans[key].kind], links, startTime }, parent)
  return attributes ? span.setAttributes(attributes) : span // those that are given to `startSpan` are checked and copied twice
}

/** Ends a span; with an error it tells which. What callers did wrong is no failure of ours: such a span has an `error.type`, and no error status. */
export function endSpan(span: Span, error?: unknown): void {
  if (error !== undefined && span.isRecording()) {
    span.setAttribute('error.type', errorType(error))
    if (!isCallersFault(error)) {
      const told = error instanceof Error && error.cause instanceof Error ? error.cause : error // a problem's cause says more than it does
      const { name, message, stack } =
        told instanceof Error
          ? { name: told.name, message: safeMessage(told), stack: framesOf(told) }
          : { name: typeof told, message: '', stack: '' }
      span.recordException({ name, message, stack })
      span.setStatus({ code: SpanStatusCode.ERROR, message })
    }
  }
  span.end()
}

/** Ends a span of what failed, telling only the kind of failure: for errors that may quote values. */
export function endFailed(span: Span, type: string): void {
  if (span.isRecording()) {
    span.setAttribute('error.type', type)
    if (!answers.has(type)) span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end()
}

/** Does `work` within a span that somebody else ends. */
export function within<T>(span: Span, work: () => T): T {
  if (!on.traces) return work()
  return context.with(trace.setSpan(context.active(), span), work)
}

/** Does `work` as a part of nothing: what it begins belongs to several, or outlasts whoever happens to begin it. */
export function apart<T>(work: () => T): T {
  if (!on.traces) return work()
  return context.with(ROOT_CONTEXT, work)
}

/** The span that is under way here, when it is recorded: what is not, nobody will find. */
export function recordedSpan(): Span | undefined {
  const span = on.traces ? trace.getActiveSpan() : undefined
  return span?.isRecording() ? span : undefined
}

/** Does `work` within a span, which everything that it begins is a part of. */
export function inSpan<Key extends SpanKey, T>(
  key: Key,
  name: string,
  options: SpanOptions<Key>,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  return on.traces ? traced(key, name, options, work) : work(nothing)
}

async function traced<Key extends SpanKey, T>(
  key: Key,
  name: string,
  options: SpanOptions<Key>,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = startSpan(key, name, options)
  try {
    const result = await context.with(trace.setSpan(options.parent ?? context.active(), span), work, undefined, span)
    span.end()
    return result
  } catch (error) {
    endSpan(span, error)
    throw error
  }
}

/** Codes of problems that are an answer, not a failure. */
const answers = new Set(['BAD_USER_INPUT', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'CONFLICT', 'RATE_LIMITED'])

const isCallersFault = (error: unknown) => answers.has(errorType(error))

/** A word for the kind of an error, of which there are few: its code, or else its class (semantic conventions: `error.type`). */
export function errorType(error: unknown): string {
  if (!(error instanceof Error)) return '_OTHER'
  const { code, name } = error as Error & { code?: unknown }
  return typeof code === 'string' && /^[A-Za-z0-9_]{1,40}$/.test(code) ? code : name
}

/** The span that is under way as W3C Trace Context has it: what leads whoever continues elsewhere back here. Undefined when nothing is traced. */
export function traceparentOf(span: Span | undefined = trace.getActiveSpan()): string | undefined {
  const given = span?.spanContext()
  if (!given || !isSpanContextValid(given)) return undefined
  return `00-${given.traceId}-${given.spanId}-${given.traceFlags & TraceFlags.SAMPLED ? '01' : '00'}`
}

const traceparent = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** What `traceparentOf` wrote, as the parent of spans. Nothing (a root) when it is not one, or when there is none. */
export function parentFrom(text: string | null | undefined): Context {
  const [, traceId = '', spanId = '', flags = ''] = traceparent.exec(text ?? '') ?? []
  const given = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
  return isSpanContextValid(given) ? trace.setSpanContext(ROOT_CONTEXT, given) : ROOT_CONTEXT
}

/** Does `work` as a part of what `traceparentOf` wrote elsewhere. */
export function continuing<T>(text: string | undefined, work: () => T): T {
  if (!on.traces) return work()
  return context.with(parentFrom(text), work)
}
