export { exportLine, traceFields } from './logs.ts'
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
  type RuntimeMetricName,
  runtimeMetrics,
  type SpanKey,
  spanEvents,
  spans,
} from './registry.ts'
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
export { describeStatement, type StatementDescription, statementAttributes } from './statement.ts'
