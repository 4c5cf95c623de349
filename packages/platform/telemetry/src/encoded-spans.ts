import type { HrTime, SpanContext } from '@opentelemetry/api'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace'
import { Backwards } from './protobuf.ts'

/**
 * Encodes each span as soon as it ends (OTLP 1.9, `opentelemetry.proto.trace.v1.Span`), and hands on what is left of it: bytes. Spans that wait in a queue grow old, and are what
 * tracing costs most, in the collection of garbage; and the SDK's own encoder goes through each of them twice.
 */
export class EncodeSpans implements SpanProcessor {
  readonly #next: SpanProcessor

  /** `next` asks spans for no more than what `EncodedSpan` has, as the SDK's `BatchSpanProcessor` does. */
  constructor(next: SpanProcessor) {
    this.#next = next
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    this.#next.onEnd(new EncodedSpan(span) as unknown as ReadableSpan)
  }

  forceFlush = () => this.#next.forceFlush()
  shutdown = () => this.#next.shutdown()
}

const writer = new Backwards()

export class EncodedSpan {
  readonly bytes: Uint8Array
  readonly resource: ReadableSpan['resource']
  readonly instrumentationScope: ReadableSpan['instrumentationScope']
  readonly #context: SpanContext

  constructor(span: ReadableSpan) {
    this.#context = span.spanContext()
    this.resource = span.resource
    this.instrumentationScope = span.instrumentationScope
    writer.clear()
    writeSpan(writer, span)
    this.bytes = writer.take()
  }

  spanContext(): SpanContext {
    return this.#context
  }
}

/** An `ExportTraceServiceRequest` of spans that `EncodeSpans` has handed on. */
export function encodeRequest(spans: readonly EncodedSpan[]): Uint8Array {
  writer.clear()
  for (const [resource, ofResource] of backwards(Map.groupBy(spans, ({ resource }) => resource))) {
    const endOfResource = writer.at
    if (resource.schemaUrl) writer.string(3, resource.schemaUrl)
    for (const [scope, ofScope] of backwards(Map.groupBy(ofResource, (span) => span.instrumentationScope))) {
      const endOfScope = writer.at
      if (scope.schemaUrl) writer.string(3, scope.schemaUrl)
      for (const { bytes } of ofScope.toReversed()) writer.bytes(2, bytes)
      const end = writer.at
      if (scope.version) writer.string(2, scope.version)
      writer.string(1, scope.name)
      writer.message(1, end)
      writer.message(2, endOfScope)
    }
    const end = writer.at
    writer.varint(2, 0)
    writeAttributes(writer, 1, resource.attributes)
    writer.message(1, end)
    writer.message(1, endOfResource)
  }
  return writer.take()
}

const backwards = <Key, Value>(map: Map<Key, Value>) => [...map].reverse()

function writeSpan(to: Backwards, span: ReadableSpan): void {
  const { status, parentSpanContext } = span
  const context = span.spanContext()
  to.fixed32(16, flagsOf(context.traceFlags, parentSpanContext?.isRemote))
  const end = to.at
  to.varint(3, status.code)
  if (status.message) to.string(2, status.message)
  to.message(15, end)
  to.varint(14, span.droppedLinksCount)
  for (const { context, attributes, droppedAttributesCount = 0 } of span.links.toReversed()) {
    const end = to.at
    to.fixed32(6, flagsOf(context.traceFlags, context.isRemote))
    to.varint(5, droppedAttributesCount)
    if (attributes) writeAttributes(to, 4, attributes)
    to.hex(2, context.spanId)
    to.hex(1, context.traceId)
    to.message(13, end)
  }
  to.varint(12, span.droppedEventsCount)
  for (const { name, time, attributes, droppedAttributesCount = 0 } of span.events.toReversed()) {
    const end = to.at
    to.varint(4, droppedAttributesCount)
    if (attributes) writeAttributes(to, 3, attributes)
    to.string(2, name)
    writeTime(to, 1, time)
    to.message(11, end)
  }
  to.varint(10, span.droppedAttributesCount)
  writeAttributes(to, 9, span.attributes)
  writeTime(to, 8, span.endTime)
  writeTime(to, 7, span.startTime)
  to.varint(6, span.kind + 1)
  to.string(5, span.name)
  if (parentSpanContext?.spanId) to.hex(4, parentSpanContext.spanId)
  to.hex(2, context.spanId)
  to.hex(1, context.traceId)
}

/** `SpanFlags`: those of W3C, whether it is known where the parent is, and whether that is another process. */
const flagsOf = (traceFlags: number, remote: boolean | undefined) => (traceFlags & 0xff) | 0x100 | (remote ? 0x200 : 0)

function writeTime(to: Backwards, field: number, [seconds, nanoseconds]: HrTime): void {
  to.fixed64(field, BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds))
}

function writeAttributes(to: Backwards, field: number, attributes: object): void {
  const names = Object.keys(attributes)
  for (let i = names.length - 1; i >= 0; i--) {
    const name = names[i]!
    const end = to.at
    writeValue(to, (attributes as Record<string, unknown>)[name])
    to.message(2, end)
    to.string(1, name)
    to.message(field, end)
  }
}

/** `AnyValue`, of the kinds that our attributes have; nothing for others. */
function writeValue(to: Backwards, value: unknown): void {
  if (typeof value === 'string') to.string(1, value)
  else if (typeof value === 'boolean') to.varint(2, Number(value))
  else if (Number.isSafeInteger(value)) to.varint(3, value as number)
  else if (typeof value === 'number') to.double(4, value)
  else if (Array.isArray(value)) {
    const end = to.at
    for (const one of value.toReversed()) {
      const end = to.at
      writeValue(to, one)
      to.message(1, end)
    }
    to.message(5, end)
  }
}
