/** The rules of Prometheus, from slos.ts and alerts.ts. */
import { alerts, repository, runbookOf } from './alerts.ts'
import { budgetOf, budgetRatio, burns, errorRatio, type Slo, slos, windows } from './slos.ts'

export interface Rule {
  record?: string
  alert?: string
  expr: string
  for?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

export interface Group {
  name: string
  rules: Rule[]
}

const annotations = (alert: string, dashboard: string, summary: string, description: string) => ({
  summary,
  description,
  runbook_url: `${repository}/${runbookOf(alert)}`,
  dashboard: `/d/${dashboard}`,
})

function recordings(slo: Slo): Rule[] {
  const labels = { slo: slo.name }
  return [
    { record: budgetRatio, expr: `vector(${budgetOf(slo)})`, labels },
    ...windows.map((window) => ({
      record: errorRatio(window),
      expr: `${slo.bad(window)}\n/\n${slo.all(window)}`,
      labels,
    })),
  ]
}

function burnAlerts(slo: Slo): Rule[] {
  const where = `{slo="${slo.name}"}`
  return (['page', 'ticket'] as const).map((severity) => {
    const pairs = burns.filter((burn) => burn.severity === severity)
    return {
      alert: slo.alert,
      expr: pairs
        .map(({ rate, long, short }) => {
          const limit = `(${rate} * ${budgetOf(slo)})`
          return `(\n  ${errorRatio(long, where)} > ${limit}\nand\n  ${errorRatio(short, where)} > ${limit}\n)`
        })
        .join('\nor\n'),
      labels: { severity },
      annotations: annotations(
        slo.alert,
        slo.dashboard,
        `Too many ${slo.noticed}`,
        `${slo.promise} {{ $value | humanizePercentage }} don't keep it over the last ${pairs.map(({ long }) => long).join(' or ')}.`,
      ),
    }
  })
}

/** By the names of their files below `infra/observability/prometheus/rules`. */
export const ruleFiles: Readonly<Record<string, readonly Group[]>> = {
  'slos.yaml': slos.map((slo) => ({ name: slo.name, rules: [...recordings(slo), ...burnAlerts(slo)] })),
  'alerts.yaml': [
    {
      name: 'offshoot',
      rules: alerts.map(({ name, severity, expression, for: time, summary, description, dashboard }) => ({
        alert: name,
        expr: expression,
        for: time,
        labels: { severity },
        annotations: annotations(name, dashboard, summary, description),
      })),
    },
  ],
}

/** A file of rules as YAML. */
export function rulesYaml(groups: readonly Group[]): string {
  const lines = [
    '# Made by `npm run telemetry -- rules --write` from scripts/telemetry/slos.ts and alerts.ts.',
    'groups:',
  ]
  for (const { name, rules } of groups) {
    lines.push(`  - name: ${name}`, '    rules:')
    for (const rule of rules) {
      const [first, ...rest] = Object.entries(rule).flatMap(([key, value]) => entry(key, value))
      lines.push(`      - ${first}`, ...rest.map((line) => `        ${line}`))
    }
  }
  return `${lines.join('\n')}\n`
}

function entry(key: string, value: string | Record<string, string>): string[] {
  if (typeof value === 'object')
    return [`${key}:`, ...Object.entries(value).map(([name, text]) => `  ${name}: ${JSON.stringify(text)}`)]
  if (key === 'expr') return ['expr: |-', ...value.split('\n').map((line) => `  ${line}`)]
  return [`${key}: ${value}`]
}
