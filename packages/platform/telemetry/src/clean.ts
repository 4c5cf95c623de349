import type { Attributes } from '@opentelemetry/api'
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace'
import { spanEvents, spans } from './registry.ts'

const registered = new Set<string>([
  ...Object.values(spans).flatMap(({ attributes }) => attributes as readonly string[]),
  ...Object.values(spanEvents).flatMap(({ attributes }) => attributes as readonly string[]),
])

/**
 * Takes from the spans of others, such as the instrumentation of `pg`, what is not registered, and what errors of the database quote. Ours have nothing else to begin with. The first of the
 * processors, so that the others see what is left.
 */
export class Clean implements SpanProcessor {
  onStart(span: Span): void {
    clean(span)
  }

  onEnd(span: ReadableSpan): void {
    if (span.instrumentationScope.name === 'offshoot') return
    clean(span)
    for (const { attributes } of span.events) {
      const state = /\(code: ([0-9A-Z]{5})\)$/.exec(String(attributes?.['exception.message']))?.[1]
      if (state) Object.assign(span.attributes, { 'db.response.status_code': state, 'error.type': state })
      for (const name of ['exception.message', 'exception.stacktrace']) delete attributes?.[name]
    }
    delete (span.status as { message?: string }).message
  }

  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}

function clean({ instrumentationScope, attributes }: Span | ReadableSpan): void {
  if (instrumentationScope.name === 'offshoot') return
  for (const name of Object.keys(attributes)) if (!registered.has(name)) delete (attributes as Attributes)[name]
}
