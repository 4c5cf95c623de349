export type { Span } from '@opentelemetry/api'
export { exportLine, traceFields } from './logs.ts'
export { count, observe, type Report, record } from './metrics.ts'
export { telemetryOn } from './on.ts'
export { framesOf, safeFields, safeMessage } from './redaction.ts'
export {
  type AttributesOf,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type MetricName,
  metrics,
  type RuntimeMetricName,
  runtimeMetrics,
  type SpanKey,
  spanEvents,
  spans,
} from './registry.ts'
export { knownMethod, safePath } from './requests.ts'
export { runningTelemetry, type Telemetry } from './running.ts'
export {
  apart,
  continuing,
  endFailed,
  endSpan,
  errorType,
  inSpan,
  parentFrom,
  recordedSpan,
  type SpanOptions,
  startSpan,
  traceparentOf,
  within,
} from './spans.ts'
export { describeStatement, type StatementDescription } from './statement.ts'
