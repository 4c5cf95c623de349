/** What is promised of the running product, and how it is told that a promise is being broken: `infra/observability/prometheus/rules/slos.yaml` is made from it. */
import { like, orZero, rate, sum, times, timesWithin } from './promql.ts'

export interface Slo {
  name: string
  /** Of its alerts. */
  alert: string
  /** In percent of what is counted, over 30 days. */
  objective: number
  /** What is promised, as a sentence. */
  promise: string
  /** What callers notice when it is broken. */
  noticed: string
  dashboard: 'offshoot-overview' | 'offshoot-events'
  /** What is counted, and those of it for which the promise was not kept: per second, over the window. */
  all(window: string): string
  bad(window: string): string
}

/** Codes of errors that are ours. Refusals and what callers did wrong are answers. */
export const ourErrors = ['INTERNAL', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'] as const

export const slos: readonly Slo[] = [
  {
    name: 'graphql-availability',
    alert: 'GraphqlAvailability',
    objective: 99.9,
    promise: `Of all GraphQL operations, 99.9 % end without an error of ours (${ourErrors.join(', ')}).`,
    noticed: 'GraphQL operations fail with errors of ours',
    dashboard: 'offshoot-overview',
    all: (window) => sum(rate(times('graphql.server.operation.duration'), window)),
    bad: (window) =>
      orZero(
        sum(rate(times('graphql.server.operation.duration', { 'error.type': like(ourErrors.join('|')) }), window)),
      ),
  },
  {
    name: 'graphql-latency',
    alert: 'GraphqlLatency',
    objective: 95,
    promise: 'Of all GraphQL operations, 95 % are answered within 500 ms.',
    noticed: 'GraphQL operations take longer than 500 ms',
    dashboard: 'offshoot-overview',
    all: (window) => sum(rate(times('graphql.server.operation.duration'), window)),
    bad: (window) => late('graphql.server.operation.duration', 0.5, window),
  },
  {
    name: 'event-delay',
    alert: 'EventDelay',
    objective: 99,
    promise: 'Of all events, 99 % are handled within 10 s, by each of their handlers.',
    noticed: 'events are handled later than 10 s after they were emitted',
    dashboard: 'offshoot-events',
    all: (window) => sum(rate(times('offshoot.event.delay'), window)),
    bad: (window) => late('offshoot.event.delay', 10, window),
  },
]

function late(name: 'graphql.server.operation.duration' | 'offshoot.event.delay', bound: number, window: string) {
  return `(${sum(rate(times(name), window))} - ${sum(rate(timesWithin(name, bound), window))})`
}

/** The share that may fail. */
export const budgetOf = ({ objective }: Slo) => Number((1 - objective / 100).toFixed(6))

/**
 * When a budget burns too fast: both windows burn it more than `rate` times as fast as would use it up in 30 days. The long one says that it matters, the short one that
 * it goes on. From Google's SRE workbook, chapter 5: 2 % of the budget in an hour, 5 % in six, 10 % in a day or in three.
 */
export const burns = [
  { rate: 14.4, long: '1h', short: '5m', severity: 'page' },
  { rate: 6, long: '6h', short: '30m', severity: 'page' },
  { rate: 3, long: '1d', short: '2h', severity: 'ticket' },
  { rate: 1, long: '3d', short: '6h', severity: 'ticket' },
] as const

export const windows = [...new Set(burns.flatMap(({ short, long }) => [short, long]))]

/** The share of failures over a window: what `slos.yaml` records. */
export const errorRatio = (window: string, where = '') => `slo:error_ratio:rate${window}${where}`
/** What may fail, by SLO. */
export const budgetRatio = 'slo:error_budget:ratio'
