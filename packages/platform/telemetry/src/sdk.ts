import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { context, logs, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { registerInstrumentations } from '@opentelemetry/instrumentation'
import { detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { Clean } from './clean.ts'
import { hearComplaints } from './complaints.ts'
import { EncodeSpans } from './encoded-spans.ts'
import { instrument } from './instrumented.ts'
import { loadedLater } from './loaded-later.ts'
import { on } from './on.ts'
import { setRunning, type Telemetry } from './running.ts'
import type { TelemetrySettings } from './settings.ts'

/** How long the end of the process waits for collectors, in ms. */
const longestFlush = 2_000
/** What waits for a collector, at most: what is more is dropped, and nobody waits. */
const spanQueue = { maxQueueSize: 8_192, maxExportBatchSize: 512, scheduledDelayMillis: 1_000 }
const lineQueue = { maxQueueSize: 4_096, maxExportBatchSize: 512, scheduledDelayMillis: 1_000 }
const spanLimits = { attributeValueLengthLimit: 2_000 }
/** Series of one metric: far more than labels of a closed list can make. What is beyond is counted together. */
const mostSeries = 2_000

/** Sets telemetry up, once, before anything else is loaded. Throws when `http` or `pg` could not be instrumented. */
export async function startTelemetry(settings: TelemetrySettings): Promise<Telemetry> {
  const resource = resourceFromAttributes({
    'service.name': settings.serviceName,
    'service.version': version(),
    'deployment.environment.name': settings.environment,
  }).merge(detectResources({ detectors: [envDetector] }))
  const endings: (() => Promise<unknown>)[] = []

  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  hearComplaints(settings.environment === 'production')
  const recentTraces = settings.recent ? new (await import('./recent-traces.ts')).RecentTraces() : undefined
  if (settings.otlp.traces || recentTraces) {
    const spanProcessors: SpanProcessor[] = [new Clean()]
    if (settings.otlp.traces) {
      const exporter = loadedLater(async () => (await import('./span-exporter.ts')).spanExporter())
      spanProcessors.push(new EncodeSpans(new BatchSpanProcessor({ exporter, ...spanQueue })))
    }
    if (recentTraces) spanProcessors.push(recentTraces)
    const provider = new TracerProvider({ resource, sampler: samplerOf(settings), spanProcessors, spanLimits })
    trace.setGlobalTracerProvider(provider)
    on.traces = true
    endings.push(() => provider.shutdown())
    instrument(provider, settings.trustTraceparent)
  }
  const measured =
    settings.otlp.metrics || settings.prometheus ? await startMetrics(settings, resource, endings) : undefined
  if (settings.otlp.logs) await startLogs(resource, endings)

  const telemetry: Telemetry = {
    recentTraces,
    metrics: measured,
    async shutdown() {
      const late = new Promise((resolve) => setTimeout(resolve, longestFlush).unref())
      await Promise.race([Promise.allSettled(endings.map((end) => end())), late])
    },
  }
  setRunning(telemetry)
  return telemetry
}

async function startMetrics(
  { otlp, prometheus, metricInterval }: TelemetrySettings,
  resource: Resource,
  endings: (() => Promise<unknown>)[],
): Promise<RequestListener | undefined> {
  const [sdk, { RuntimeNodeInstrumentation }] = await Promise.all([
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/instrumentation-runtime-node'),
  ])
  const readers = []
  if (otlp.metrics) {
    const exporter = loadedLater(async () => {
      const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-proto')
      return new OTLPMetricExporter()
    })
    readers.push(
      new sdk.PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis: metricInterval,
        exportTimeoutMillis: Math.min(metricInterval, 10_000),
      }),
    )
  }
  let listener: RequestListener | undefined
  if (prometheus) {
    const { PrometheusExporter } = await import('@opentelemetry/exporter-prometheus')
    const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true })
    readers.push(exporter)
    listener = (request, response) => exporter.getMetricsRequestHandler(request, response)
  }
  const views = [{ instrumentName: '*', aggregationCardinalityLimit: mostSeries }]
  const provider = new sdk.MeterProvider({ resource, readers, views })
  metrics.setGlobalMeterProvider(provider)
  on.metrics = true
  registerInstrumentations({ instrumentations: [new RuntimeNodeInstrumentation()], meterProvider: provider })
  const { observeProcess } = await import('./process-gauges.ts')
  observeProcess()
  endings.push(() => provider.shutdown())
  return listener
}

async function startLogs(resource: Resource, endings: (() => Promise<unknown>)[]): Promise<void> {
  const { BatchLogRecordProcessor, LoggerProvider } = await import('@opentelemetry/sdk-logs')
  const exporter = loadedLater(async () => {
    const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-proto')
    return new OTLPLogExporter()
  })
  const provider = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ exporter, ...lineQueue })],
  })
  logs.setGlobalLoggerProvider(provider)
  endings.push(() => provider.shutdown())
}

function samplerOf({ sampler, samplerArgument }: TelemetrySettings): Sampler {
  const root = sampler.endsWith('off')
    ? new AlwaysOffSampler()
    : sampler.endsWith('ratio')
      ? new TraceIdRatioBasedSampler(samplerArgument)
      : new AlwaysOnSampler()
  return sampler.startsWith('parentbased') ? new ParentBasedSampler({ root }) : root
}

function version(): string {
  const file = join(import.meta.dirname, '../../../../package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
