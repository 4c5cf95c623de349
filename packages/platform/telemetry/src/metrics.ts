import {
  type Attributes,
  type Counter,
  type Histogram,
  type Meter,
  type MeterProvider,
  type ObservableGauge,
  metrics as otel,
} from '@opentelemetry/api'
import { on } from './on.ts'
import {
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type MetricName,
  metrics,
} from './registry.ts'

/** In seconds: from the semantic conventions, and 2.5 ms and 1 ms below them, where statements are. */
export const durations = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

type Instrument = Histogram | Counter | ObservableGauge

/** Made when they are first needed: before the SDK is there, OpenTelemetry gives away instruments that never measure anything. */
let provider: MeterProvider | undefined
let instruments = new Map<MetricName, Instrument>()

function instrumentOf(name: MetricName): Instrument {
  if (provider !== otel.getMeterProvider()) {
    provider = otel.getMeterProvider()
    instruments = new Map()
  }
  const found = instruments.get(name)
  if (found) return found
  const made = make(otel.getMeter('offshoot'), name)
  instruments.set(name, made)
  return made
}

function make(meter: Meter, name: MetricName): Instrument {
  const { instrument, unit, about: description } = metrics[name]
  if (instrument === 'counter') return meter.createCounter(name, { unit, description })
  if (instrument === 'gauge') return meter.createObservableGauge(name, { unit, description })
  return meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: durations } })
}

/** Adds a duration, in seconds. */
export function record<Name extends HistogramName>(name: Name, seconds: number, labels: LabelsOf<Name>): void {
  if (!on.metrics) return
  const histogram = instrumentOf(name) as Histogram
  histogram.record(seconds, labels as Attributes)
}

export function count<Name extends CounterName>(name: Name, labels: LabelsOf<Name>, by = 1): void {
  if (!on.metrics) return
  const counter = instrumentOf(name) as Counter
  counter.add(by, labels as Attributes)
}

export type Report = <Name extends GaugeName>(name: Name, value: number, labels: LabelsOf<Name>) => void

/** How long whoever collects waits for one answer, in ms. */
const patience = 1_000

/**
 * Tells how things stand whenever somebody wants to know. `tell` may ask a database: when that fails or takes longer than a second, everything keeps its last value, and while
 * the question is still open it is not asked again. The answer stops it.
 */
export function observe(names: readonly GaugeName[], tell: (report: Report) => void | Promise<void>): () => void {
  const meter = otel.getMeter('offshoot')
  const gauges = names.map((name) => instrumentOf(name) as ObservableGauge)
  let asking = false
  const callback = async (result: { observe(gauge: ObservableGauge, value: number, labels: Attributes): void }) => {
    if (asking) return
    const told = tell((name, value, labels) =>
      result.observe(instrumentOf(name) as ObservableGauge, value, labels as Attributes),
    )
    if (!(told instanceof Promise)) return
    asking = true
    const over = told
      .catch(() => {})
      .finally(() => {
        asking = false
      })
    let timer: NodeJS.Timeout | undefined
    await Promise.race([over, new Promise((resolve) => (timer = setTimeout(resolve, patience)))])
    clearTimeout(timer)
  }
  meter.addBatchObservableCallback(callback, gauges)
  return () => meter.removeBatchObservableCallback(callback, gauges)
}
