/** The dashboards: what one looks at first, a domain, and the events. Every query is made of what the registry has. */
import {
  deadLetters,
  eventLoopDelay,
  inboxBehind,
  outboxNotPublished,
  poolExhausted,
  processRestarts,
  sagaStuck,
  scheduleFails,
  sendingFails,
  targetDown,
} from './alerts.ts'
import type { Dashboard, Panel, Query, Unit } from './grafana.ts'
import { counter, gauge, increase, is, isNot, like, max, on, quantile, rate, seconds, sum, times } from './promql.ts'
import { budgetRatio, burns, errorRatio, slos } from './slos.ts'

const show = (title: string, unit: Unit, queries: Query[], more: Partial<Panel> = {}): Panel => ({
  title,
  unit,
  queries,
  ...more,
})
const one = (expression: string, legend: string): Query[] => [{ expression, legend }]
/** p50, p95 and p99 of something. */
const latencies = (of: (q: number) => string): Query[] =>
  [0.5, 0.95, 0.99].map((q) => ({ expression: of(q), legend: `p${q * 100}` }))
const share = (part: string, whole: string) => `${part} / ${whole}`
/** The largest of many series. */
const largest = (expression: string, of = 10) => `topk(${of}, ${expression})`

const failed = { 'error.type': isNot('') }
const instance = { instance: like('$instance') }
const sloAlerts = slos.map(({ alert }) => ({ name: alert }))

export const overview: Dashboard = {
  uid: 'offshoot-overview',
  title: 'Offshoot: overview',
  about: 'Are promises kept, how much is asked, what fails, how long does it take, and what runs full.',
  variables: [
    { name: 'instance', label: 'Instance', query: `label_values(${gauge('process.uptime')}, instance)`, several: true },
  ],
  rows: [
    {
      title: 'Promises',
      panels: [
        show(
          'Burn rate of the error budgets',
          'none',
          one(`${errorRatio('1h')} / ${on('slo')} ${budgetRatio}`, '{{slo}}'),
          {
            about: 'Over the last hour: 1 uses the budget up in 30 days, 14.4 calls somebody.',
            width: 12,
            alerts: sloAlerts,
            lines: [...new Set(burns.map((burn) => burn.rate))],
          },
        ),
        show('Failures over three days', 'percentunit', one(errorRatio('3d'), '{{slo}}'), { type: 'stat', width: 4 }),
        show('Alerts', 'short', one('count(ALERTS{alertstate="firing"}) or vector(0)', 'firing'), {
          type: 'stat',
          width: 4,
          lines: [1],
        }),
        show('Processes', 'short', one('sum(up{job="offshoot"})', 'up'), {
          type: 'stat',
          width: 4,
          alerts: [targetDown],
        }),
      ],
    },
    {
      title: 'HTTP',
      panels: [
        show(
          'Requests',
          'reqps',
          one(
            sum(rate(times('http.server.request.duration', instance)), 'http.response.status_code'),
            '{{http_response_status_code}}',
          ),
          { stacked: true },
        ),
        show(
          'Answered with 500 or more',
          'percentunit',
          one(
            share(
              sum(
                rate(times('http.server.request.duration', { ...instance, 'http.response.status_code': like('5..') })),
                'http.route',
              ),
              `${on('http.route')} ${sum(rate(times('http.server.request.duration', instance)), 'http.route')}`,
            ),
            '{{http_route}}',
          ),
        ),
        show(
          'Duration',
          's',
          latencies((q) => quantile(q, 'http.server.request.duration', instance)),
        ),
        show(
          'Requests by route',
          'reqps',
          one(sum(rate(times('http.server.request.duration', instance)), 'http.route'), '{{http_route}}'),
          {
            width: 12,
          },
        ),
        show(
          'Duration by route, p95',
          's',
          one(quantile(0.95, 'http.server.request.duration', instance, 'http.route'), '{{http_route}}'),
          {
            width: 12,
          },
        ),
      ],
    },
    {
      title: 'GraphQL',
      panels: [
        show(
          'Operations',
          'reqps',
          one(
            sum(rate(times('graphql.server.operation.duration', instance)), 'graphql.operation.type'),
            '{{graphql_operation_type}}',
          ),
          {
            stacked: true,
          },
        ),
        show(
          'Errors by code',
          'reqps',
          one(
            sum(rate(times('graphql.server.operation.duration', { ...instance, ...failed })), 'error.type'),
            '{{error_type}}',
          ),
          {
            about: 'By the first error of an operation. INTERNAL, UNAVAILABLE and DEADLINE_EXCEEDED are ours.',
            stacked: true,
            alerts: sloAlerts.filter(({ name }) => name === 'GraphqlAvailability'),
          },
        ),
        show(
          'Duration',
          's',
          latencies((q) => quantile(q, 'graphql.server.operation.duration', instance)),
          {
            lines: [0.5],
            alerts: sloAlerts.filter(({ name }) => name === 'GraphqlLatency'),
          },
        ),
        show(
          'Operations by plan',
          'reqps',
          one(sum(rate(times('graphql.server.operation.duration', instance)), 'tenant.plan'), '{{tenant_plan}}'),
          {
            stacked: true,
          },
        ),
        show(
          'Duration by plan, p95',
          's',
          one(quantile(0.95, 'graphql.server.operation.duration', instance, 'tenant.plan'), '{{tenant_plan}}'),
        ),
        show(
          'Slowest fields, p95',
          's',
          one(
            largest(quantile(0.95, 'graphql.server.field.duration', instance, 'graphql.field.name')),
            '{{graphql_field_name}}',
          ),
        ),
        show(
          'Busiest fields',
          'reqps',
          one(
            largest(sum(rate(times('graphql.server.field.duration', instance)), 'graphql.field.name')),
            '{{graphql_field_name}}',
          ),
          {
            width: 12,
          },
        ),
        show(
          'Failing fields',
          'reqps',
          one(
            largest(
              sum(
                rate(times('graphql.server.field.duration', { ...instance, ...failed })),
                'graphql.field.name',
                'error.type',
              ),
            ),
            '{{graphql_field_name}} {{error_type}}',
          ),
          { width: 12 },
        ),
      ],
    },
    {
      title: 'Domains',
      panels: [
        show('Calls', 'reqps', one(sum(rate(times('rpc.server.call.duration', instance)), 'domain'), '{{domain}}'), {
          stacked: true,
        }),
        show(
          'Errors by code',
          'reqps',
          one(
            sum(rate(times('rpc.server.call.duration', { ...instance, ...failed })), 'domain', 'error.type'),
            '{{domain}} {{error_type}}',
          ),
        ),
        show('Duration, p95', 's', one(quantile(0.95, 'rpc.server.call.duration', instance, 'domain'), '{{domain}}')),
      ],
    },
    {
      title: 'Saturation',
      panels: [
        show(
          'Delay of the event loop, p99',
          's',
          one(max(gauge('nodejs.eventloop.delay.p99', instance), 'instance'), '{{instance}}'),
          {
            alerts: [eventLoopDelay],
          },
        ),
        show(
          'Event loop',
          'percentunit',
          one(max(gauge('nodejs.eventloop.utilization', instance), 'instance'), '{{instance}}'),
          {
            about: 'The share of the time in which the one thread of a process was busy.',
          },
        ),
        show(
          'Collecting garbage',
          'percentunit',
          one(
            sum(rate(seconds('v8js.gc.duration', instance)), 'instance', 'v8js.gc.type'),
            '{{instance}} {{v8js_gc_type}}',
          ),
          {
            about: 'The share of the time that it took.',
          },
        ),
        show('Memory', 'bytes', one(sum(gauge('process.memory.usage', instance), 'instance'), '{{instance}}')),
        show('Heap in use', 'bytes', one(sum(gauge('v8js.memory.heap.used', instance), 'instance'), '{{instance}}')),
        show('Uptime', 's', one(max(gauge('process.uptime', instance), 'instance'), '{{instance}}'), {
          alerts: [processRestarts],
        }),
        show(
          'Connections in use',
          'percentunit',
          one(
            share(
              sum(
                gauge('db.client.connection.count', { ...instance, 'db.client.connection.state': is('used') }),
                'domain',
                'db.client.connection.pool.name',
              ),
              `${on('domain', 'db.client.connection.pool.name')} ${sum(gauge('db.client.connection.max', instance), 'domain', 'db.client.connection.pool.name')}`,
            ),
            '{{domain}} {{db_client_connection_pool_name}}',
          ),
        ),
        show(
          'Waiting for a connection',
          'short',
          one(sum(gauge('db.client.connection.pending_requests', instance), 'domain'), '{{domain}}'),
          {
            alerts: [poolExhausted],
          },
        ),
        show(
          'What keeps processes open',
          'short',
          one(sum(gauge('v8js.resource.active', instance), 'v8js.resource.type'), '{{v8js_resource_type}}'),
        ),
      ],
    },
    {
      title: 'Flags and mail',
      panels: [
        show(
          'Flags asked for',
          'ops',
          one(
            sum(
              rate(counter('offshoot.flag.evaluations', instance)),
              'feature_flag.key',
              'feature_flag.result.variant',
            ),
            '{{feature_flag_key}}: {{feature_flag_result_variant}}',
          ),
        ),
        show(
          'Mails handed over',
          'ops',
          one(sum(rate(times('offshoot.mail.duration', instance)), 'error.type'), 'sent {{error_type}}'),
        ),
        show(
          'Handing over a mail',
          's',
          latencies((q) => quantile(q, 'offshoot.mail.duration', instance)),
        ),
      ],
    },
  ],
}

const domain = { domain: like('$domain') }

export const perDomain: Dashboard = {
  uid: 'offshoot-domain',
  title: 'Offshoot: a domain',
  about: 'What a domain is asked, what it answers, and how its database keeps up.',
  variables: [{ name: 'domain', label: 'Domain', query: `label_values(${times('rpc.server.call.duration')}, domain)` }],
  rows: [
    {
      title: 'Calls of $domain',
      panels: [
        show(
          'Calls',
          'reqps',
          one(sum(rate(times('rpc.server.call.duration', domain)), 'rpc.method'), '{{rpc_method}}'),
          { stacked: true },
        ),
        show(
          'Errors by code',
          'reqps',
          one(sum(rate(times('rpc.server.call.duration', { ...domain, ...failed })), 'error.type'), '{{error_type}}'),
          {
            stacked: true,
          },
        ),
        show(
          'Duration',
          's',
          latencies((q) => quantile(q, 'rpc.server.call.duration', domain)),
        ),
        show(
          'Failing calls',
          'reqps',
          one(
            largest(sum(rate(times('rpc.server.call.duration', { ...domain, ...failed })), 'rpc.method', 'error.type')),
            '{{rpc_method}} {{error_type}}',
          ),
        ),
        show(
          'Slowest calls, p95',
          's',
          one(largest(quantile(0.95, 'rpc.server.call.duration', domain, 'rpc.method')), '{{rpc_method}}'),
        ),
        show(
          'Calls by plan',
          'reqps',
          one(sum(rate(times('rpc.server.call.duration', domain)), 'tenant.plan'), '{{tenant_plan}}'),
          { stacked: true },
        ),
      ],
    },
    {
      title: 'Statements',
      panels: [
        show(
          'Statements',
          'ops',
          one(sum(rate(times('db.client.operation.duration', domain)), 'db.operation.name'), '{{db_operation_name}}'),
          { stacked: true },
        ),
        show(
          'Errors',
          'ops',
          one(
            sum(rate(times('db.client.operation.duration', { ...domain, ...failed })), 'error.type'),
            '{{error_type}}',
          ),
          { stacked: true },
        ),
        show(
          'Duration',
          's',
          latencies((q) => quantile(q, 'db.client.operation.duration', domain)),
          {
            about: 'With the time that a statement waited for a connection.',
          },
        ),
        show(
          'Statements per call',
          'none',
          one(
            share(
              sum(rate(times('db.client.operation.duration', domain))),
              sum(rate(times('rpc.server.call.duration', domain))),
            ),
            'statements',
          ),
          {
            about: 'Handlers’ statements are among them. A jump after a release is a loop around a statement.',
          },
        ),
        show(
          'Duration by operation, p95',
          's',
          one(quantile(0.95, 'db.client.operation.duration', domain, 'db.operation.name'), '{{db_operation_name}}'),
        ),
        show(
          'Waiting for a transaction',
          's',
          latencies((q) => quantile(q, 'db.client.connection.wait_time', domain)),
          {
            about: 'How long transactions waited for a connection. After 1 s they fail.',
            lines: [1],
          },
        ),
      ],
    },
    {
      title: 'Connections and lanes',
      panels: [
        show('Connections', 'short', [
          ...one(
            sum(
              gauge('db.client.connection.count', domain),
              'db.client.connection.pool.name',
              'db.client.connection.state',
            ),
            '{{db_client_connection_pool_name}} {{db_client_connection_state}}',
          ),
          ...one(
            sum(gauge('db.client.connection.max', domain), 'db.client.connection.pool.name'),
            '{{db_client_connection_pool_name}} at most',
          ),
        ]),
        show(
          'Waiting for a connection',
          'short',
          one(
            sum(gauge('db.client.connection.pending_requests', domain), 'db.client.connection.pool.name'),
            '{{db_client_connection_pool_name}}',
          ),
          {
            alerts: [poolExhausted],
          },
        ),
        show(
          'Lanes',
          'short',
          one(sum(gauge('offshoot.lane.count', domain), 'offshoot.lane.state'), '{{offshoot_lane_state}}'),
        ),
      ],
    },
    {
      title: 'Events',
      panels: [
        show(
          'Handled',
          'ops',
          one(sum(rate(times('messaging.process.duration', domain)), 'offshoot.handler'), '{{offshoot_handler}}'),
        ),
        show(
          'Failures',
          'ops',
          one(
            sum(rate(counter('offshoot.event.failures', domain)), 'offshoot.handler', 'offshoot.event.outcome'),
            '{{offshoot_handler}} {{offshoot_event_outcome}}',
          ),
          {
            alerts: [{ name: deadLetters.name }],
          },
        ),
        show(
          'Runs of schedules',
          's',
          one(quantile(0.95, 'offshoot.schedule.duration', domain, 'offshoot.schedule'), '{{offshoot_schedule}}, p95'),
          {
            alerts: [scheduleFails],
          },
        ),
      ],
    },
  ],
}

export const events: Dashboard = {
  uid: 'offshoot-events',
  title: 'Offshoot: events',
  about: 'From the outbox to the last handler: what waits, what fails, how late it gets.',
  variables: [
    { name: 'domain', label: 'Domain', query: `label_values(${gauge('offshoot.outbox.age')}, domain)`, several: true },
  ],
  rows: [
    {
      title: 'Outbox',
      panels: [
        show(
          'Oldest event that is not published',
          's',
          one(max(gauge('offshoot.outbox.age', domain), 'domain'), '{{domain}}'),
          { alerts: [outboxNotPublished] },
        ),
        show(
          'Events that are not published',
          'short',
          one(max(gauge('offshoot.outbox.unpublished', domain), 'domain'), '{{domain}}'),
        ),
        show(
          'Published',
          'ops',
          one(
            sum(
              rate(counter('messaging.client.sent.messages', { ...domain, 'error.type': is('') })),
              'messaging.destination.name',
            ),
            '{{messaging_destination_name}}',
          ),
          {
            stacked: true,
          },
        ),
        show(
          'Refused by the transport',
          'ops',
          one(
            sum(
              rate(counter('messaging.client.sent.messages', { ...domain, ...failed })),
              'domain',
              'messaging.system',
              'error.type',
            ),
            '{{domain}} {{messaging_system}} {{error_type}}',
          ),
          {
            alerts: [sendingFails],
            width: 24,
          },
        ),
      ],
    },
    {
      title: 'Handlers',
      panels: [
        show(
          'Oldest event that is not handled',
          's',
          one(
            max(gauge('offshoot.inbox.age', domain), 'domain', 'offshoot.handler'),
            '{{domain}}.{{offshoot_handler}}',
          ),
          {
            alerts: [inboxBehind],
          },
        ),
        show(
          'Events that are not handled',
          'short',
          one(
            max(gauge('offshoot.inbox.waiting', domain), 'domain', 'offshoot.handler'),
            '{{domain}}.{{offshoot_handler}}',
          ),
        ),
        show(
          'Dead letters',
          'short',
          one(
            max(gauge('offshoot.event.dead', domain), 'domain', 'offshoot.handler'),
            '{{domain}}.{{offshoot_handler}}',
          ),
          {
            alerts: [deadLetters],
          },
        ),
        show(
          'Handled',
          'ops',
          one(
            sum(rate(times('messaging.process.duration', domain)), 'domain', 'offshoot.handler'),
            '{{domain}}.{{offshoot_handler}}',
          ),
          {
            about: 'A batch counts once.',
            stacked: true,
          },
        ),
        show(
          'Failures',
          'ops',
          one(
            sum(
              rate(counter('offshoot.event.failures', domain)),
              'domain',
              'offshoot.handler',
              'offshoot.event.outcome',
            ),
            '{{domain}}.{{offshoot_handler}} {{offshoot_event_outcome}}',
          ),
        ),
        show(
          'Handling, p95',
          's',
          one(
            quantile(0.95, 'messaging.process.duration', domain, 'domain', 'offshoot.handler'),
            '{{domain}}.{{offshoot_handler}}',
          ),
        ),
      ],
    },
    {
      title: 'From emitted to handled',
      panels: [
        show(
          'Delay',
          's',
          latencies((q) => quantile(q, 'offshoot.event.delay', domain)),
          {
            lines: [10],
            alerts: sloAlerts.filter(({ name }) => name === 'EventDelay'),
            width: 12,
          },
        ),
        show(
          'Delay by handler, p95',
          's',
          one(
            quantile(0.95, 'offshoot.event.delay', domain, 'domain', 'offshoot.handler'),
            '{{domain}}.{{offshoot_handler}}',
          ),
          {
            width: 12,
          },
        ),
      ],
    },
    {
      title: 'Sagas and schedules',
      panels: [
        show(
          'Open',
          'short',
          one(max(gauge('offshoot.saga.open', domain), 'domain', 'offshoot.saga'), '{{domain}}.{{offshoot_saga}}'),
        ),
        show(
          'Oldest that is open',
          's',
          one(max(gauge('offshoot.saga.age', domain), 'domain', 'offshoot.saga'), '{{domain}}.{{offshoot_saga}}'),
          {
            alerts: [sagaStuck],
          },
        ),
        show(
          'Runs of schedules within an hour',
          'short',
          one(
            sum(
              increase(times('offshoot.schedule.duration', domain), '1h'),
              'domain',
              'offshoot.schedule',
              'error.type',
            ),
            '{{domain}}.{{offshoot_schedule}} {{error_type}}',
          ),
          {
            alerts: [scheduleFails],
          },
        ),
        show(
          'Duration of schedules, p95',
          's',
          one(
            quantile(0.95, 'offshoot.schedule.duration', domain, 'domain', 'offshoot.schedule'),
            '{{domain}}.{{offshoot_schedule}}',
          ),
          {
            width: 24,
          },
        ),
      ],
    },
  ],
}

export const dashboards: readonly Dashboard[] = [overview, perDomain, events]
