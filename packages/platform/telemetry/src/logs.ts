import { isSpanContextValid, logs, SeverityNumber, trace } from '@opentelemetry/api'

/** What leads from a line of the log to the trace that it was written in; nothing outside of one. Names as in the data model of OpenTelemetry. */
export function traceFields(): object {
  const given = trace.getActiveSpan()?.spanContext()
  if (!given || !isSpanContextValid(given)) return {}
  return { trace_id: given.traceId, span_id: given.spanId, trace_flags: given.traceFlags }
}

const severities: Record<string, SeverityNumber> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
}

/** Hands a line of the log, as JSON and without secrets, to OpenTelemetry, within the span that is under way. Costs nothing where logs are not exported. */
export function exportLine(line: string): void {
  const logger = logs.getLogger('offshoot')
  if (!logger.enabled()) return
  const {
    level,
    time,
    msg,
    pid: _,
    hostname: __,
    trace_id: ___,
    span_id: ____,
    trace_flags: _____,
    ...fields
  } = JSON.parse(line)
  logger.emit({
    timestamp: time,
    severityNumber: severities[level] ?? SeverityNumber.UNSPECIFIED,
    severityText: level,
    body: msg,
    attributes: fields,
  })
}
