/**
 * What signals are called in Prometheus, as `@opentelemetry/exporter-prometheus` writes them at `/metrics`. It leaves units out of names: `http.server.request.duration` is
 * `http_server_request_duration_bucket`, not `…_duration_seconds_bucket`. Whoever feeds Prometheus by OTLP turns its suffixes off (infra/observability/README.md).
 */
import { durations } from './metrics.ts'
import { type MetricName, metrics, type RuntimeMetricName, runtimeMetrics } from './registry.ts'

const declarations = { ...metrics, ...runtimeMetrics }

/** A metric that Prometheus gets: ours, or one of Node's. */
export type PrometheusMetric = MetricName | RuntimeMetricName

/** The name of a metric; of a histogram, that from which its series' names are made. */
export function prometheusName(metric: PrometheusMetric): string {
  return declarations[metric].instrument === 'counter' ? `${legal(metric)}_total` : legal(metric)
}

/** The names of a metric's series: a histogram has three, others one. */
export function prometheusSeries(metric: PrometheusMetric): string[] {
  const name = prometheusName(metric)
  if (declarations[metric].instrument !== 'histogram') return [name]
  return ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`)
}

/** The name of a label. */
export const prometheusLabel = (label: string) => legal(label)

/** The bounds of our histograms' buckets, in seconds: values of `le`. */
export const prometheusBounds: readonly number[] = durations

const legal = (name: string) => name.replaceAll(/[^A-Za-z0-9_]/g, '_').replaceAll(/_{2,}/g, '_')
