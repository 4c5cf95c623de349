/** What telemetry a process has: from the environment variables that OpenTelemetry defines, and three of ours. */
export interface TelemetrySettings {
  serviceName: string
  /** `development` or `production`. */
  environment: string
  /** What leaves the process by OTLP: where to is said by the standard variables, which the exporters read themselves. */
  otlp: { traces: boolean; metrics: boolean; logs: boolean }
  /** Whether somebody will scrape metrics (`INTERNAL_PORT`). */
  prometheus: boolean
  /** Whether the last traces are kept in memory, to be looked at: in development. */
  recent: boolean
  /** Whether a request's own `traceparent` is continued (`TRUST_TRACEPARENT`): anybody can write one. */
  trustTraceparent: boolean
  sampler: string
  samplerArgument: number
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

type Environment = Record<string, string | undefined>

/** Reads the settings; undefined when nothing is wanted. Throws a `TelemetrySettingsError` that says all that is wrong. */
export function telemetrySettings(env: Environment, app: string): TelemetrySettings | undefined {
  if (env.OTEL_SDK_DISABLED === 'true') return undefined
  const production = env.NODE_ENV === 'production'
  const problems: string[] = []

  function exported(signal: 'TRACES' | 'METRICS' | 'LOGS'): boolean {
    const exporter = env[`OTEL_${signal}_EXPORTER`] || 'otlp'
    if (exporter !== 'otlp' && exporter !== 'none')
      problems.push(`OTEL_${signal}_EXPORTER: is ${exporter}; otlp and none are supported`)
    const [name, url] = [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT']
      .map((setting) => [setting, env[setting]] as const)
      .find(([, value]) => value) ?? ['', '']
    if (!url || exporter === 'none') return false
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      problems.push(`${name}: must be http://… or https://…`)
    const protocol = env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`] || env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf'
    if (protocol !== 'http/protobuf')
      problems.push(`OTEL_EXPORTER_OTLP_PROTOCOL: is ${protocol}; http/protobuf is supported, usually on port 4318`)
    return true
  }

  const otlp = { traces: exported('TRACES'), metrics: exported('METRICS'), logs: exported('LOGS') }
  const sampler = env.OTEL_TRACES_SAMPLER || 'parentbased_always_on'
  if (!samplers.includes(sampler as (typeof samplers)[number]))
    problems.push(`OTEL_TRACES_SAMPLER: is ${sampler}; known are ${samplers.join(', ')}`)
  const samplerArgument = Number(env.OTEL_TRACES_SAMPLER_ARG || 1)
  if (!(samplerArgument >= 0 && samplerArgument <= 1)) problems.push('OTEL_TRACES_SAMPLER_ARG: must be between 0 and 1')
  if (problems.length > 0)
    throw new TelemetrySettingsError(
      `Telemetry cannot be set up.\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    )

  const prometheus = Boolean(env.INTERNAL_PORT)
  if (production && !prometheus && !Object.values(otlp).includes(true)) return undefined
  return {
    serviceName: env.OTEL_SERVICE_NAME || `offshoot-${app}`,
    environment: production ? 'production' : 'development',
    otlp,
    prometheus,
    recent: !production,
    trustTraceparent: env.TRUST_TRACEPARENT === 'true',
    sampler,
    samplerArgument,
  }
}
