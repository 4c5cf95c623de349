import { DiagLogLevel, diag } from '@opentelemetry/api'
import { setGlobalErrorHandler } from '@opentelemetry/core'

/** One complaint stands for all that follow within this time, in ms: a collector that is away fails with every batch. */
const pause = 60_000

/** Says on standard error what the SDK has to complain of, above all that a collector does not take what it is sent: once a minute at most, on one line. */
export function hearComplaints(production: boolean): void {
  let next = 0
  const say = (reason: string) => {
    if (Date.now() < next) return
    next = Date.now() + pause
    const msg = 'telemetry does not get through at the moment'
    const line = { level: 'warn', time: Date.now(), msg, reason: reason.slice(0, 300) }
    process.stderr.write(production ? `${JSON.stringify(line)}\n` : `${msg}: ${JSON.stringify(line.reason)}\n`)
  }
  const log = (message: string, ...more: unknown[]) => say([message, ...more].map(String).join(' '))
  const silent = () => {}
  diag.setLogger(
    { error: log, warn: log, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
  setGlobalErrorHandler((error) => say(textOf(error)))
}

/** A refused connection to a host of several addresses has no message of its own. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, message } = error as Error & { code?: unknown }
  return [code, message].filter(Boolean).join(' ') || error.name
}
