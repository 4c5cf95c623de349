export { count, observe, type Report, record } from './metrics.ts'
export { framesOf, safeFields, safeMessage } from './redaction.ts'
export {
  type AttributesOf,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type MetricName,
  metrics,
  type SpanKey,
  spanEvents,
  spans,
} from './registry.ts'
export { endSpan, errorType, inSpan, parentFrom, type SpanOptions, startSpan, traceparentOf } from './spans.ts'
