/** What is made from the registry of signals, and whether dashboards, rules and runbooks speak of what there is. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { metrics, runtimeMetrics } from '@offshoot/telemetry'
import { type PrometheusMetric, prometheusLabel, prometheusSeries } from '@offshoot/telemetry/prometheus-names'
import { root } from '../database.ts'
import { runbookOf } from '../telemetry/alerts.ts'
import { generated } from '../telemetry/generated.ts'
import { ruleFiles } from '../telemetry/rules.ts'
import { compare } from './generated.ts'
import type { Problem } from './workspace.ts'

/** `docs/telemetry.md`, rules and dashboards; what they name exists, and each alert has its runbook. */
export function checkTelemetry(write: boolean): Problem[] {
  return [
    ...Object.values(generated).flatMap((files) => files().flatMap(({ path, text }) => compare(path, text, write))),
    ...rules.flatMap(({ file, expr }) => unknownNames(expr).map((message) => ({ file, message }))),
    ...dashboardFiles().flatMap(dashboardProblems),
    ...runbookProblems(),
  ]
}

const rules = Object.entries(ruleFiles).flatMap(([file, groups]) =>
  groups.flatMap((group) =>
    group.rules.map((rule) => ({ ...rule, file: `infra/observability/prometheus/rules/${file}` })),
  ),
)

/** By the names of series: the labels that they have in Prometheus. */
const known = new Map<string, readonly string[]>([
  ...Object.entries({ ...metrics, ...runtimeMetrics }).flatMap(([name, { labels }]) =>
    prometheusSeries(name as PrometheusMetric).map((series): [string, string[]] => [
      series,
      [...labels.map(prometheusLabel), ...(series.endsWith('_bucket') ? ['le'] : [])],
    ]),
  ),
  ...rules.flatMap(({ record, labels }): [string, string[]][] => (record ? [[record, Object.keys(labels ?? {})]] : [])),
  ['up', []],
  ['ALERTS', ['alertname', 'alertstate', 'severity']],
])
const ofEveryTarget = ['job', 'instance']
const words = new Set([
  'and',
  'or',
  'unless',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'bool',
  'offset',
])

/** Metrics in a query that nothing exports or records, and labels that none of its metrics has. `also` are labels that are named beside it. */
export function unknownNames(expression: string, also: readonly string[] = []): string[] {
  const labels = new Set(also)
  const bare = expression
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\{([^}]*)\}/g, (_, conditions: string) => {
      for (const [, label] of conditions.matchAll(/(\w+)\s*[=!]/g)) labels.add(label!)
      return ' '
    })
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g, (_, listed: string) => {
      for (const [label] of listed.matchAll(/\w+/g)) labels.add(label)
      return ' '
    })
    .replaceAll(/[A-Za-z_]\w*\s*(?=\()/g, ' ')
  const named = [...bare.matchAll(/(?<![\w.:])[A-Za-z_][\w:]*/g)]
    .map(([word]) => word)
    .filter((word) => !words.has(word))
  const theirs = new Set([...ofEveryTarget, ...named.flatMap((name) => known.get(name) ?? [])])
  return [
    ...named.filter((name) => !known.has(name)).map((name) => `names the metric ${name}, which nothing exports`),
    ...[...labels]
      .filter((label) => !theirs.has(label))
      .map((label) => `names the label ${label}, which no metric of ${expression} has`),
  ]
}

interface DashboardFile {
  path: string
  panels: { title: string; targets?: { expr: string; legendFormat?: string }[] }[]
  templating: { list: { name: string; type: string; definition?: string }[] }
}

export const dashboardFiles = (): DashboardFile[] =>
  globSync('infra/observability/grafana/dashboards/*.json', { cwd: root }).map((path) => ({
    path,
    ...JSON.parse(readFileSync(join(root, path), 'utf8')),
  }))

export function dashboardProblems({ path: file, panels, templating }: DashboardFile): Problem[] {
  return [
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.flatMap(({ expr, legendFormat = '' }) => {
        const shown = [...legendFormat.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, label]) => label!)
        return unknownNames(expr, shown).map((message) => ({ file, message: `'${title}' ${message}` }))
      }),
    ),
    ...templating.list.flatMap(({ name, definition }) => {
      const [, series = '', label = ''] = /^label_values\((.+), *(\w+)\)$/.exec(definition ?? '') ?? []
      return series
        ? unknownNames(series, [label]).map((message) => ({ file, message: `the variable ${name} ${message}` }))
        : []
    }),
  ]
}

/** Each alert has a runbook, and each runbook an alert. */
export function runbookProblems(
  alerts: readonly string[] = rules.flatMap(({ alert }) => alert ?? []),
  runbooks: readonly string[] = globSync('docs/runbooks/*.md', { cwd: root }).map((path) => path.replaceAll('\\', '/')),
): Problem[] {
  const wanted = new Map(alerts.map((alert) => [runbookOf(alert), alert]))
  return [
    ...[...wanted]
      .filter(([file]) => !runbooks.includes(file))
      .map(([file, alert]) => ({ file, message: `is missing: what to do when ${alert} fires` })),
    ...runbooks
      .filter((file) => !wanted.has(file) && !file.endsWith('/README.md'))
      .map((file) => ({ file, message: 'is the runbook of no alert' })),
  ]
}
