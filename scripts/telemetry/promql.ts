/** Queries in PromQL. Metrics and labels are named as the registry does: what is not there does not compile. */
import type { metrics, runtimeMetrics } from '@offshoot/telemetry'
import { prometheusBounds, prometheusLabel, prometheusName } from '@offshoot/telemetry/prometheus-names'

type Declarations = typeof metrics & typeof runtimeMetrics
type Metric = keyof Declarations
type Of<Instrument extends string> = {
  [Name in Metric]: Declarations[Name]['instrument'] extends Instrument ? Name : never
}[Metric]
type Labels<Name extends Metric> = Declarations[Name]['labels'][number]
/** Labels that Prometheus adds itself. */
type TargetLabel = 'job' | 'instance' | 'le' | 'slo'
export type AnyLabel = Labels<Metric> | TargetLabel

/** Which of a metric's series: conditions on labels, made by `is`, `like` and `isNot`. */
type Where<Name extends Metric> = { [Label in Labels<Name> | TargetLabel]?: string }

export const is = (value: string) => `="${value}"`
export const isNot = (value: string) => `!="${value}"`
/** A regular expression that the whole value matches. */
export const like = (pattern: string) => `=~"${pattern}"`

const select = (series: string, where: Record<string, string | undefined> = {}) => {
  const conditions = Object.entries(where).map(([label, condition]) => `${prometheusLabel(label)}${condition}`)
  return conditions.length === 0 ? series : `${series}{${conditions.join(', ')}}`
}

export const gauge = <Name extends Of<'gauge'>>(name: Name, where?: Where<Name>) => select(prometheusName(name), where)
export const counter = <Name extends Of<'counter'>>(name: Name, where?: Where<Name>) =>
  select(prometheusName(name), where)
/** How many times a histogram was recorded. */
export const times = <Name extends Of<'histogram'>>(name: Name, where?: Where<Name>) =>
  select(`${prometheusName(name)}_count`, where)
/** The sum of what was recorded. */
export const seconds = <Name extends Of<'histogram'>>(name: Name, where?: Where<Name>) =>
  select(`${prometheusName(name)}_sum`, where)
const buckets = <Name extends Of<'histogram'>>(name: Name, where?: Where<Name>) =>
  select(`${prometheusName(name)}_bucket`, where)

/** How many of what was recorded took `bound` seconds at most: the bound of a bucket. Prometheus 3 writes whole numbers with `.0`. */
export function timesWithin<Name extends Of<'histogram'>>(name: Name, bound: number, where?: Where<Name>): string {
  if (!prometheusBounds.includes(bound)) throw new Error(`${bound} is no bound of a bucket: ${prometheusBounds}`)
  return buckets(name, { ...where, le: Number.isInteger(bound) ? like(`${bound}|${bound}[.]0`) : is(String(bound)) })
}

export const rate = (selector: string, window = '$__rate_interval') => `rate(${selector}[${window}])`
export const increase = (selector: string, window: string) => `increase(${selector}[${window}])`
export const sum = (expression: string, ...by: AnyLabel[]) => aggregate('sum', expression, by)
export const max = (expression: string, ...by: AnyLabel[]) => aggregate('max', expression, by)
/** The labels by which two sides of an operator are matched. */
export const on = (...labels: AnyLabel[]) => `on (${labels.map(prometheusLabel).join(', ')})`

const aggregate = (how: string, expression: string, by: AnyLabel[]) =>
  by.length === 0 ? `${how}(${expression})` : `${how} by (${by.map(prometheusLabel).join(', ')}) (${expression})`

/** The duration below which the share `q` of what was recorded stayed. */
export const quantile = <Name extends Of<'histogram'>>(
  q: number,
  name: Name,
  where?: Where<Name>,
  ...by: Labels<Name>[]
) => `histogram_quantile(${q}, ${sum(rate(buckets(name, where)), 'le', ...by)})`

/** Nothing measured is none. */
export const orZero = (expression: string) => `(${expression} or vector(0))`
