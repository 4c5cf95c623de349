// #region with catalog, orders
/** `@offshoot/telemetry` without anything that it does: what is measured, traced and logged with it costs a call to an empty function. */
import { ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'

export * from '@offshoot/telemetry'

const span = trace.wrapSpanContext({ traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 })

export const exportLine = () => {}
export const traceFields = () => ({})
export const count = () => {}
export const record = () => {}
export const observe = () => () => {}
export const startSpan = (): Span => span
export const endSpan = () => {}
export const endFailed = () => {}
export const within = <T>(_: Span, work: () => T): T => work()
export const apart = <T>(work: () => T): T => work()
export const continuing = <T>(_: string | undefined, work: () => T): T => work()
export const recordedSpan = () => undefined
export const inSpan = <T>(_: string, __: string, ___: object, work: (span: Span) => Promise<T>): Promise<T> =>
  work(span)
export const traceparentOf = () => undefined
export const parentFrom = () => ROOT_CONTEXT
