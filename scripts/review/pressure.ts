/** Where load, latency, errors and cost build up, as Prometheus has measured them. */
import { prometheusLabel } from '@offshoot/telemetry/prometheus-names'
import { askPrometheus } from '../telemetry/prometheus.ts'
import { type AnyLabel, like, quantile, rate, seconds, sum, times } from '../telemetry/promql.ts'
import { ourErrors } from '../telemetry/slos.ts'
import { percent, type Section } from './report.ts'

/** Asks for one number for each value of a label. */
export type Ask = (query: string, label: AnyLabel) => Promise<Map<string, number>>

export const prometheus =
  (url: string, timeout?: number): Ask =>
  (query, label) =>
    askPrometheus(url, query, prometheusLabel(label), timeout)

/** By domain and by plan: calls, how many more than in the time before, how long the slowest twentieth takes, failures of ours, and which share of all working time they take, which is what they cost. */
export async function pressure(ask: Ask, window: string): Promise<Section[]> {
  const call = 'rpc.server.call.duration'
  const failed = { 'error.type': like(ourErrors.join('|')) }
  const by = async (label: 'domain' | 'tenant.plan') => {
    const called = sum(rate(times(call), window), label)
    const [calls, before, busy, slow, bad] = await Promise.all([
      ask(called, label),
      ask(called.replaceAll(`[${window}]`, `[${window}] offset ${window}`), label),
      ask(sum(rate(seconds(call), window), label), label),
      ask(quantile(0.95, call, undefined, label).replaceAll('$__rate_interval', window), label),
      ask(sum(rate(times(call, failed), window), label), label),
    ])
    const all = [...busy.values()].reduce((one, other) => one + other, 0)
    const measured = [...calls]
      .filter(([, perSecond]) => perSecond > 0)
      .map(([name, perSecond]) => ({
        name,
        perSecond,
        growth: before.get(name) ? perSecond / before.get(name)! - 1 : undefined,
        slow: slow.get(name) ?? 0,
        failing: (bad.get(name) ?? 0) / perSecond,
        share: all === 0 ? 0 : (busy.get(name) ?? 0) / all,
      }))
      .sort((a, b) => b.share - a.share)
    const [first] = measured
    const failing = measured.filter((one) => one.failing > 0.01)
    return {
      rows: measured.map(({ name, perSecond, growth, slow, failing, share }) => [
        name,
        perSecond.toFixed(2),
        growth === undefined ? 'new' : `${growth < 0 ? '−' : '+'}${Math.abs(growth * 100).toFixed(0)} %`,
        `${(slow * 1_000).toFixed(0)} ms`,
        percent(failing),
        percent(share),
      ]),
      finding: [
        measured.length > 1 &&
          first!.share > 0.5 &&
          `${first!.name} takes ${percent(first!.share)} of the working time`,
        failing.length > 0 && `more than 1 % fails: ${failing.map((one) => one.name).join(', ')}`,
      ]
        .filter((one) => one !== false)
        .join('; '),
    }
  }
  const columns = ['calls a second', 'growth', '95 % within', 'our errors', 'share of working time']
  const otherwise = `Nothing was measured in ${window}.`
  return [
    {
      title: 'Pressure by domain',
      reading:
        'A domain that takes most of the working time, or grows fastest, is the first that is worth a process or a database of its own (docs/strategy.md).',
      columns: ['domain', ...columns],
      ...(await by('domain')),
      otherwise,
    },
    {
      title: 'Pressure by plan',
      reading: 'What the tenants of a plan take, beside what they pay.',
      columns: ['plan', ...columns],
      ...(await by('tenant.plan')),
      otherwise,
    },
    await chatty(ask, window),
  ]
}

/** Statements for each call: a call that needs many asks in a loop what one statement would tell. */
async function chatty(ask: Ask, window: string): Promise<Section> {
  const [statements, calls, operations] = await Promise.all([
    ask(sum(rate(times('db.client.operation.duration'), window), 'domain'), 'domain'),
    ask(sum(rate(times('rpc.server.call.duration'), window), 'domain'), 'domain'),
    ask(sum(rate(times('graphql.server.operation.duration'), window)), 'domain'),
  ])
  const perSecond = operations.get('') ?? 0
  const measured = [...calls]
    .filter(([, rate]) => rate > 0)
    .map(([domain, rate]) => ({
      domain,
      statements: (statements.get(domain) ?? 0) / rate,
      calls: perSecond ? rate / perSecond : 0,
    }))
    .sort((a, b) => b.statements - a.statements)
  const many = measured.filter(({ statements, calls }) => calls > 2 || statements > 5)
  return {
    title: 'Chatty calls',
    reading:
      'Calls of a domain for each GraphQL operation, and statements for each call, those of handlers included. Above 2 and 5 look at a trace: something is asked one by one.',
    columns: ['domain', 'calls per operation', 'statements per call'],
    rows: measured.map(({ domain, statements, calls }) => [domain, calls.toFixed(1), statements.toFixed(1)]),
    otherwise: `Nothing was measured in ${window}.`,
    finding: many.length > 0 && `${many.map(({ domain }) => domain).join(', ')}: asked, or asking, one by one`,
  }
}
