/** What somebody should know of, besides the promises of slos.ts: `infra/observability/prometheus/rules/alerts.yaml` is made from it. */
import { counter, gauge, increase, isNot, max, on, sum, times } from './promql.ts'

export interface Alert {
  name: string
  /** `page`: customers notice, somebody looks now. `ticket`: during the day. */
  severity: 'page' | 'ticket'
  expression: string
  /** For how long it must be so. */
  for: string
  /** The value above which it is so: a line in the panel that shows it. */
  threshold?: number
  /** `$labels` and `$value` are Prometheus'. */
  summary: string
  description: string
  dashboard: 'offshoot-overview' | 'offshoot-domain' | 'offshoot-events'
}

/** Where this repository is read: a clone writes its own address here, then `npm run check -- --write`. */
export const repository = 'https://github.com/your-organization/your-product/blob/main'

/** `OutboxNotPublished` → `docs/runbooks/outbox-not-published.md`. */
export const runbookOf = (alert: string) =>
  `docs/runbooks/${alert.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase()}.md`

const handler = ['domain', 'offshoot.handler'] as const
const dead = max(gauge('offshoot.event.dead'), ...handler)

export const outboxNotPublished: Alert = {
  name: 'OutboxNotPublished',
  severity: 'page',
  expression: `${max(gauge('offshoot.outbox.age'), 'domain')} > 30`,
  for: '1m',
  threshold: 30,
  summary: 'Events of {{ $labels.domain }} are not published',
  description: 'The oldest event in the outbox of {{ $labels.domain }} has waited for {{ $value | humanizeDuration }}.',
  dashboard: 'offshoot-events',
}

export const deadLetters: Alert = {
  name: 'DeadLetters',
  severity: 'ticket',
  expression: `${dead} > 0`,
  for: '1m',
  threshold: 0,
  summary: '{{ $labels.domain }}.{{ $labels.offshoot_handler }} has dead letters',
  description: '{{ $value }} of its events could not be handled; what comes after them for the same things waits.',
  dashboard: 'offshoot-events',
}

export const inboxBehind: Alert = {
  name: 'InboxBehind',
  severity: 'ticket',
  // What waits behind a dead event is DeadLetters' matter.
  expression: `${max(gauge('offshoot.inbox.age'), ...handler)} > 300 unless ${on(...handler)} ${dead} > 0`,
  for: '2m',
  threshold: 300,
  summary: '{{ $labels.domain }}.{{ $labels.offshoot_handler }} is behind',
  description: 'The oldest event that it has not handled has waited for {{ $value | humanizeDuration }}.',
  dashboard: 'offshoot-events',
}

export const sagaStuck: Alert = {
  name: 'SagaStuck',
  severity: 'page',
  expression: `${max(gauge('offshoot.saga.age'), 'domain', 'offshoot.saga')} > 1200`,
  for: '2m',
  threshold: 1200,
  summary: 'A {{ $labels.offshoot_saga }} of {{ $labels.domain }} does not end',
  description:
    'The oldest began {{ $value | humanizeDuration }} ago; after 16 minutes all should have ended, whatever happened.',
  dashboard: 'offshoot-events',
}

export const scheduleFails: Alert = {
  name: 'ScheduleFails',
  severity: 'ticket',
  expression: `${sum(increase(times('offshoot.schedule.duration', { 'error.type': isNot('') }), '30m'), 'domain', 'offshoot.schedule')} > 2`,
  for: '0m',
  summary: 'The schedule {{ $labels.offshoot_schedule }} of {{ $labels.domain }} fails',
  description: 'It failed about {{ $value | humanize }} times within half an hour.',
  dashboard: 'offshoot-events',
}

export const sendingFails: Alert = {
  name: 'SendingFails',
  severity: 'ticket',
  expression: `${sum(increase(counter('messaging.client.sent.messages', { 'error.type': isNot('') }), '10m'), 'domain', 'messaging.system')} > 0`,
  for: '5m',
  summary: 'Events of {{ $labels.domain }} are refused by {{ $labels.messaging_system }}',
  description: 'The relay tries again and loses nothing; {{ $value | humanize }} attempts failed within ten minutes.',
  dashboard: 'offshoot-events',
}

const pool = ['instance', 'domain', 'db.client.connection.pool.name'] as const

export const poolExhausted: Alert = {
  name: 'PoolExhausted',
  severity: 'ticket',
  expression: `${sum(gauge('db.client.connection.pending_requests'), ...pool)} > 0`,
  for: '2m',
  threshold: 0,
  summary: 'All connections of {{ $labels.domain }} ({{ $labels.db_client_connection_pool_name }}) are in use',
  description: 'Waiting on {{ $labels.instance }}: {{ $value }}. Who waits for more than a second fails.',
  dashboard: 'offshoot-domain',
}

export const eventLoopDelay: Alert = {
  name: 'EventLoopDelay',
  severity: 'ticket',
  expression: `${max(gauge('nodejs.eventloop.delay.p99'), 'instance')} > 0.1`,
  for: '5m',
  threshold: 0.1,
  summary: '{{ $labels.instance }} is blocked again and again',
  description: 'One of a hundred timers is {{ $value | humanizeDuration }} late, and so is everything else there.',
  dashboard: 'offshoot-overview',
}

export const processRestarts: Alert = {
  name: 'ProcessRestarts',
  severity: 'ticket',
  expression: `${sum(`resets(${gauge('process.uptime')}[30m])`, 'job', 'instance')} > 2`,
  for: '0m',
  summary: '{{ $labels.instance }} restarts again and again',
  description: 'It began anew {{ $value }} times within half an hour.',
  dashboard: 'offshoot-overview',
}

export const targetDown: Alert = {
  name: 'TargetDown',
  severity: 'page',
  expression: 'up{job="offshoot"} == 0 or absent(up{job="offshoot"})',
  for: '2m',
  summary: '{{ with $labels.instance }}{{ . }}{{ else }}The product{{ end }} cannot be scraped',
  description: 'It is down, unreachable, or listens nowhere (INTERNAL_PORT); nothing else is known about it.',
  dashboard: 'offshoot-overview',
}

export const alerts: readonly Alert[] = [
  outboxNotPublished,
  deadLetters,
  inboxBehind,
  sagaStuck,
  scheduleFails,
  sendingFails,
  poolExhausted,
  eventLoopDelay,
  processRestarts,
  targetDown,
]
