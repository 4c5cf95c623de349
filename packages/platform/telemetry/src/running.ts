import type { RequestListener } from 'node:http'
import type { RecentTraces } from './recent-traces.ts'

/** The telemetry of this process. */
export interface Telemetry {
  /** The last traces, in development. */
  recentTraces: RecentTraces | undefined
  /** Answers with all metrics as Prometheus' text; undefined when nobody is to scrape them. */
  metrics: RequestListener | undefined
  /** Hands over what has not left the process yet, for at most 2 s: a collector that does not answer keeps nobody from ending. */
  shutdown(): Promise<void>
}

let running: Telemetry | undefined

/** What was set up in this process by `@offshoot/telemetry/register`; undefined when telemetry is off. */
export const runningTelemetry = (): Telemetry | undefined => running

export function setRunning(telemetry: Telemetry): void {
  running = telemetry
}
