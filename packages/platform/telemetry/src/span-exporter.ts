import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from '@opentelemetry/otlp-exporter-base/node-http'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import { type EncodedSpan, encodeRequest } from './encoded-spans.ts'

/** Sends what `EncodeSpans` has handed on to a collector, as the standard variables say. */
export function spanExporter(): SpanExporter {
  const contentType = { 'content-type': 'application/x-protobuf' }
  return createOtlpHttpExportDelegate(
    convertLegacyHttpOptions({}, 'TRACES', 'v1/traces', contentType),
    {
      serializeRequest: (spans: ReadableSpan[]) => encodeRequest(spans as unknown as EncodedSpan[]),
      deserializeResponse: ProtobufTraceSerializer.deserializeResponse,
    },
    'otlp_http_span_exporter',
    { name: 'span', countItems: (spans) => spans.length },
    undefined,
  ) as SpanExporter
}
