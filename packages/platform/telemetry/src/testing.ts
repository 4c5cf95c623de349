import { randomBytes } from 'node:crypto'
import { context, metrics as otelMetrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SamplingDecision,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { Clean } from './clean.ts'
import { instrument } from './instrumented.ts'
import { on } from './on.ts'

/** What was measured: by the metric's name, each series with its labels. */
export type Measured = Record<string, { labels: Record<string, unknown>; value: unknown }[]>

export interface Recording {
  /** Spans that have ended, in that order. By their ids they are in the order in which they began. */
  spans(): ReadableSpan[]
  /** Everything that was measured so far, gauges as they stand now. */
  metrics(): Promise<Measured>
  /** Forgets the spans. Metrics go on. */
  reset(): void
  /** From now on `node:http` and `pg` have spans too, as in an app. */
  instrument(): void
  /** Records nothing more, until somebody does again: what tests do of which nobody looks at the telemetry costs them time and memory. */
  stop(): void
}

let recording: Recording | undefined
let recorded = true

/** Records what this process emits, in memory, with the real SDK. The first call begins; others get the same, since a process has one SDK. */
export function recordTelemetry(): Recording {
  recorded = true
  recording ??= begin()
  Object.assign(on, { traces: true, metrics: true })
  return recording
}

function begin(): Recording {
  const exporter = new InMemorySpanExporter()
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  let begun = 0
  const provider = new TracerProvider({
    idGenerator: {
      generateTraceId: () => randomBytes(16).toString('hex'),
      generateSpanId: () => (++begun).toString(16).padStart(16, '0'),
    },
    sampler: new ParentBasedSampler({
      root: {
        shouldSample: () => ({
          decision: recorded ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
        }),
      },
    }),
    spanProcessors: [new Clean(), new SimpleSpanProcessor({ exporter })],
  })
  trace.setGlobalTracerProvider(provider)
  let instrumented = false
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 2 ** 30 })
  otelMetrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))

  return {
    spans: () => exporter.getFinishedSpans(),
    async metrics() {
      measured.reset()
      await reader.forceFlush()
      const found: Measured = {}
      for (const { scopeMetrics } of measured.getMetrics())
        for (const { metrics } of scopeMetrics)
          for (const { descriptor, dataPoints } of metrics)
            found[descriptor.name] = (dataPoints as DataPoint<unknown>[]).map(({ attributes, value }) => ({
              labels: attributes,
              value,
            }))
      return found
    },
    reset: () => exporter.reset(),
    instrument() {
      if (!instrumented) instrument(provider, false)
      instrumented = true
    },
    stop() {
      recorded = false
      Object.assign(on, { traces: false, metrics: false })
      exporter.reset()
    },
  }
}
