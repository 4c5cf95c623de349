/** The page `docs/telemetry.md`: every signal, from the registry. */
import { metrics, runtimeMetrics, spanEvents, spans } from '@offshoot/telemetry'
import { type PrometheusMetric, prometheusLabel, prometheusName } from '@offshoot/telemetry/prometheus-names'

/** How UCUM's units read. */
const units: Record<string, string> = { s: 'seconds', By: 'bytes', '1': 'a share of 1' }
const unitOf = (unit: string) => units[unit] ?? `${unit.slice(1, -1)}s`

const code = (text: string) => `\`${text}\``
const list = (names: readonly string[]) => names.map(code).join(', ') || 'none'
const table = (head: string[], rows: string[][]) =>
  [head, head.map(() => '-'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const metricTable = (declared: typeof metrics | typeof runtimeMetrics) =>
  table(
    ['metric', 'kind', 'unit', 'labels', 'meaning', 'in Prometheus'],
    Object.entries(declared).map(([name, { instrument, unit, labels, about }]) => [
      code(name),
      instrument,
      unitOf(unit),
      list(labels),
      about,
      code(prometheusName(name as PrometheusMetric) + (instrument === 'histogram' ? '_{bucket,sum,count}' : '')),
    ]),
  )

export function signalsPage(): string {
  return `# Telemetry

Every span and every metric of the product: what is not here cannot be emitted. Written by \`npm run telemetry -- docs --write\` from \`packages/platform/telemetry/src/registry.ts\`; \`npm run check\` compares.
Dashboards and alerts made of them: [infra/observability](../infra/observability/README.md).

\`tenant.id\` and \`domain\` are on spans and logs. No metric has a tenant, a user or an id among its labels; where it matters who is served there is \`tenant.plan\`.

## Spans

What stands in braces varies. \`error.type\` is there when it failed: a code of the closed list, or the error's class.

${table(
  ['span', 'kind', 'meaning', 'attributes'],
  Object.values(spans).map(({ name, kind, about, attributes }) => [code(name), kind, about, list(attributes)]),
)}

## Events within spans

${table(
  ['event', 'meaning', 'attributes'],
  Object.entries(spanEvents).map(([name, { about, attributes }]) => [code(name), about, list(attributes)]),
)}

## Metrics

In Prometheus, dots are underscores, in labels too (\`error.type\` is \`${prometheusLabel('error.type')}\`), counters end in \`_total\`, and units are no part of a name. Durations are in seconds.

${metricTable(metrics)}

## Metrics of Node and V8

${metricTable(runtimeMetrics)}
`
}
