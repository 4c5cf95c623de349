import { randomBytes } from 'node:crypto'
import { continuing, endSpan, parentFrom, startSpan, traceparentOf } from '@offshoot/telemetry'
import { type Context, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'

/** What is known of an event while it is published or handled. */
interface Traced {
  id: string
  type: string
  traceparent: string | null
}

/** A traceparent as it may be kept. Of anything else nothing is left: what a broker delivers is anybody's claim, of any kind and length. */
export function validTraceparent(text: unknown): string | undefined {
  const span = typeof text === 'string' ? trace.getSpan(parentFrom(text)) : undefined
  return span && traceparentOf(span)
}

const isSampled = (traceparent: string) => traceparent.endsWith('1')
const traceOf = (traceparent: string | null | undefined) => traceparent?.slice(3, 35)

/** What is done within is not recorded, as if a sampler had left it out: there is too much of it for a trace. */
export function unrecorded<T>(work: () => T): T {
  const random = (bytes: number) => randomBytes(bytes).toString('hex')
  return continuing(`00-${random(16)}-${random(8)}-00`, work)
}

/** The publication of these events, in the traces that are recorded. The answer ends it. */
export function beginSending(
  events: readonly (Traced & { tenant_id: string })[],
  domain: string,
  system: string,
): (error?: unknown) => void {
  const spans: Span[] = []
  for (const { id, type, traceparent, tenant_id } of events) {
    if (traceparent === null || !isSampled(traceparent)) continue
    const attributes = {
      'messaging.system': system,
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': type,
      'messaging.message.id': id,
      ...(events.length > 1 && { 'messaging.batch.message_count': events.length }),
      domain,
      'tenant.id': tenant_id,
    }
    spans.push(startSpan('event.send', `send ${type}`, { parent: parentFrom(traceparent), attributes }))
  }
  return (error) => {
    for (const span of spans) endSpan(span, error)
  }
}

export interface ProcessingOptions {
  domain: string
  handler: string
  system: string
  tenant: string
  /** How often the event has been tried, this time included; undefined for several. */
  attempt: number | undefined
}

/** An attempt to handle an event, or several. */
export interface Processing {
  /** Everything that is done for it belongs in here. */
  readonly context: Context
  /** Tells which events it is, as soon as they are read. */
  isOf(events: readonly Traced[]): void
  end(error?: unknown): void
}

/**
 * Begins an attempt as a part of the trace in which its events were created. Events of several traces are handled in a trace of its own, with links to theirs. `known` are those
 * of which something was seen beforehand, usually all. Where nobody records, there is no span, and what is done within is not recorded either.
 */
export function beginProcessing(
  known: readonly Traced[],
  { domain, handler, system, tenant, attempt }: ProcessingOptions,
): Processing {
  const given = known.map(({ traceparent }) => traceparent)
  const parent = new Set(given.map(traceOf)).size === 1 ? given[0]! : null
  if (given.length > 0 && given.every((one) => one !== null && !isSampled(one)))
    return { context: parentFrom(given[0]), isOf() {}, end() {} }

  const [type, ...others] = new Set(known.map((event) => event.type))
  const one = others.length === 0 ? type : undefined
  const group = `${domain}.${handler}`
  const under = parent === null ? ROOT_CONTEXT : parentFrom(parent)
  const span = startSpan('event.process', `process ${one ?? group}`, {
    parent: under,
    attributes: {
      'messaging.system': system,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      ...(one && { 'messaging.destination.name': one }),
      'messaging.consumer.group.name': group,
      ...(attempt !== undefined && { 'offshoot.event.attempt': attempt }),
      domain,
      'tenant.id': tenant,
    },
  })
  const linked = new Set([traceOf(parent)])
  function isOf(events: readonly Traced[]): void {
    if (!span.isRecording()) return
    if (events.length === 1) span.setAttribute('messaging.message.id', events[0]!.id)
    else span.setAttribute('messaging.batch.message_count', events.length)
    for (const { traceparent } of events) {
      const id = traceOf(traceparent)
      if (traceparent === null || !isSampled(traceparent) || linked.has(id)) continue
      linked.add(id)
      span.addLink({ context: trace.getSpanContext(parentFrom(traceparent))! })
    }
  }
  return { context: trace.setSpan(under, span), isOf, end: (error) => endSpan(span, error) }
}
