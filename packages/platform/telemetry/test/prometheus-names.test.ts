import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Meter } from '@opentelemetry/api'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { beforeAll, describe, expect, it } from 'vitest'
import { metrics, runtimeMetrics } from '../src/index.ts'
import {
  type PrometheusMetric,
  prometheusBounds,
  prometheusLabel,
  prometheusName,
  prometheusSeries,
} from '../src/prometheus-names.ts'

/** What a real exporter answers when each metric was measured once. */
let exported: string
beforeAll(async () => {
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const provider = new MeterProvider({ readers: [exporter] })
  const runtime = new RuntimeNodeInstrumentation()
  runtime.setMeterProvider(provider)
  for (const name of Object.keys(metrics) as (keyof typeof metrics)[]) measure(provider.getMeter('offshoot'), name)
  for (let garbage = 0; garbage < 200; garbage++) Array.from({ length: 20_000 }, () => ({}))
  await sleep(150) // the delay of the event loop is told after five looks at it
  const server = createServer((request, response) => exporter.getMetricsRequestHandler(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  exported = await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`)).text()
  runtime.disable()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await provider.shutdown()
})

/** As `record`, `count` and `observe` do, at a meter that is nobody else's. */
function measure(meter: Meter, name: keyof typeof metrics): void {
  const { instrument, unit, about: description, labels } = metrics[name]
  const values = Object.fromEntries(labels.map((label) => [label, 'x']))
  if (instrument === 'counter') meter.createCounter(name, { unit, description }).add(1, values)
  else if (instrument === 'gauge')
    meter.createObservableGauge(name, { unit, description }).addCallback((result) => result.observe(1, values))
  else
    meter
      .createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: [...prometheusBounds] } })
      .record(0.001, values)
}

describe('the name of a metric in Prometheus', () => {
  it.each(
    Object.entries({ ...metrics, ...runtimeMetrics }) as [
      PrometheusMetric,
      { instrument: string; labels: readonly string[] },
    ][],
  )('is what the exporter makes of %s, with its labels', (name, { instrument, labels }) => {
    expect(exported).toContain(`\n# TYPE ${prometheusName(name)} ${instrument}\n`)
    for (const series of prometheusSeries(name)) {
      const line = exported.split('\n').find((text) => text.startsWith(`${series}{`))
      expect(line, series).toBeDefined()
      const written = [...line!.matchAll(/(\w+)="/g)].map(([, label]) => label)
      expect(written.filter((label) => label !== 'le' && !label!.startsWith('otel_scope_')).sort()).toEqual(
        labels.map(prometheusLabel).sort(),
      )
    }
  })

  it('is nobody else’s', () => {
    const all = (Object.keys({ ...metrics, ...runtimeMetrics }) as PrometheusMetric[]).flatMap(prometheusSeries)
    expect(new Set(all).size).toBe(all.length)
  })
})

it('Node measures nothing that the registry doesn’t know', () => {
  const known = new Set((Object.keys({ ...metrics, ...runtimeMetrics }) as PrometheusMetric[]).map(prometheusName))
  const types = [...exported.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!)
  expect(types.filter((name) => name !== 'target_info' && !known.has(name))).toEqual([])
})

it('buckets end where they are said to', () => {
  const bounds = [...exported.matchAll(/^http_server_request_duration_bucket\{.*le="([\d.]+)"/gm)].map(([, le]) => le)
  expect(bounds).toEqual(prometheusBounds.map(String))
})
