/** What telemetry a process has: from the environment variables that OpenTelemetry defines, and three of ours. */
export interface TelemetrySettings {
  serviceName: string
  /** `development` or `production`. */
  environment: string
  /** What leaves the process by OTLP: where to is said by the standard variables, which the exporters read themselves. */
  otlp: { traces: boolean; metrics: boolean; logs: boolean }
  /** Whether somebody will scrape metrics (`INTERNAL_PORT`). */
  prometheus: boolean
  /** Whether the last traces are kept in memory, to be looked at: in development, unless `RECENT_TRACES=false`. */
  recent: boolean
  /** Whether a request's own `traceparent` is continued (`TRUST_TRACEPARENT`): anybody can write one. */
  trustTraceparent: boolean
  sampler: string
  samplerArgument: number
  /** How often metrics leave by OTLP, in ms. */
  metricInterval: number
}

export class TelemetrySettingsError extends Error {
  override readonly name = 'TelemetrySettingsError'
}

export const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

const pairs = [
  'OTEL_RESOURCE_ATTRIBUTES',
  ...['', '_TRACES', '_METRICS', '_LOGS'].map((signal) => `OTEL_EXPORTER_OTLP${signal}_HEADERS`),
]

const shown = (value: string) => JSON.stringify(value.slice(0, 100))

type Environment = Record<string, string | undefined>

/** Reads the settings; undefined when nothing is wanted. Throws a `TelemetrySettingsError` that says all that is wrong. */
export function telemetrySettings(env: Environment, app: string): TelemetrySettings | undefined {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return undefined
  const production = env.NODE_ENV === 'production'
  const problems = new Set<string>()
  const wrong = (name: string, problem: string) => problems.add(`  ${name}: ${problem}`)
  for (const name of ['OTEL_SDK_DISABLED', 'TRUST_TRACEPARENT'])
    if (!/^(true|false|)$/i.test(env[name] ?? '')) wrong(name, 'must be true or false')
  for (const name of pairs)
    if (env[name] && !env[name].split(',').every((pair) => /^\s*[^=\s]+\s*=[^\r\n]*$/.test(pair)))
      wrong(name, 'must be name=value, several separated by commas') // its values are secrets

  function exported(signal: 'TRACES' | 'METRICS' | 'LOGS'): boolean {
    const exporter = env[`OTEL_${signal}_EXPORTER`] || 'otlp'
    if (exporter !== 'otlp' && exporter !== 'none')
      wrong(`OTEL_${signal}_EXPORTER`, `is ${shown(exporter)}; otlp and none are supported`)
    const [name, url] = [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT']
      .map((setting) => [setting, env[setting]] as const)
      .find(([, value]) => value) ?? ['', '']
    if (!url || exporter === 'none') return false
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) wrong(name, 'must be http://… or https://…')
    const protocol = env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`] || env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf'
    if (protocol !== 'http/protobuf')
      wrong(
        'OTEL_EXPORTER_OTLP_PROTOCOL',
        `is ${shown(protocol)}; only http/protobuf is supported, usually on port 4318`,
      )
    return true
  }

  const otlp = { traces: exported('TRACES'), metrics: exported('METRICS'), logs: exported('LOGS') }
  const sampler = env.OTEL_TRACES_SAMPLER || 'parentbased_always_on'
  if (!samplers.includes(sampler as (typeof samplers)[number]))
    wrong('OTEL_TRACES_SAMPLER', `is ${shown(sampler)}; known are ${samplers.join(', ')}`)
  const samplerArgument = Number(env.OTEL_TRACES_SAMPLER_ARG || 1)
  if (!(samplerArgument >= 0 && samplerArgument <= 1)) wrong('OTEL_TRACES_SAMPLER_ARG', 'must be between 0 and 1')
  const interval = env.OTEL_METRIC_EXPORT_INTERVAL || '60000'
  if (!/^[1-9]\d{1,7}$/.test(interval)) wrong('OTEL_METRIC_EXPORT_INTERVAL', 'must be a whole number of ms, from 10')
  if (problems.size > 0) throw new TelemetrySettingsError(['Telemetry cannot be set up:', ...problems].join('\n'))

  const prometheus = Boolean(env.INTERNAL_PORT)
  if (production && !prometheus && !Object.values(otlp).includes(true)) return undefined
  return {
    serviceName: env.OTEL_SERVICE_NAME || `offshoot-${app}`,
    environment: production ? 'production' : 'development',
    otlp,
    prometheus,
    recent: !production && env.RECENT_TRACES !== 'false',
    trustTraceparent: env.TRUST_TRACEPARENT?.toLowerCase() === 'true',
    metricInterval: Number(interval),
    sampler,
    samplerArgument,
  }
}
