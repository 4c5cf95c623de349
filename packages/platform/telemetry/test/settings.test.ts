import { describe, expect, it } from 'vitest'
import { telemetrySettings } from '../src/settings.ts'

const settings = (env: Record<string, string>) => telemetrySettings(env, 'gateway')
const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }

describe('what telemetry a process has', () => {
  it('is none in production, unless somebody wants it', () => {
    expect(settings({ NODE_ENV: 'production' })).toBeUndefined()
    expect(settings({ NODE_ENV: 'production', OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBeUndefined()
    expect(settings({ NODE_ENV: 'production', INTERNAL_PORT: '9464' })).toMatchObject({ prometheus: true })
  })

  it('is the last traces, in development', () => {
    expect(settings({})).toMatchObject({
      serviceName: 'offshoot-gateway',
      recent: true,
      prometheus: false,
      otlp: { traces: false, metrics: false, logs: false },
    })
  })

  it('is each signal for which there is a collector', () => {
    const all = { traces: true, metrics: true, logs: true }
    expect(settings(collector)?.otlp).toEqual(all)
    expect(settings({ ...collector, OTEL_LOGS_EXPORTER: 'none' })?.otlp).toEqual({ ...all, logs: false })
    expect(settings({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'https://m' })?.otlp).toEqual({
      traces: false,
      metrics: true,
      logs: false,
    })
  })

  it('is nothing when OpenTelemetry is switched off', () => {
    expect(settings({ ...collector, OTEL_SDK_DISABLED: 'true' })).toBeUndefined()
  })

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT: must be http://'],
    [{ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'nonsense' }, 'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: must be http://'],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL: is "grpc"; only http/protobuf'],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER: is "zipkin"; otlp and none'],
    [{ OTEL_TRACES_SAMPLER: 'sometimes' }, 'OTEL_TRACES_SAMPLER: is "sometimes"; known are always_on'],
    [{ OTEL_TRACES_SAMPLER_ARG: '7' }, 'OTEL_TRACES_SAMPLER_ARG: must be between 0 and 1'],
    [{ OTEL_METRIC_EXPORT_INTERVAL: '1 s' }, 'OTEL_METRIC_EXPORT_INTERVAL: must be a whole number'],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'region' }, 'OTEL_RESOURCE_ATTRIBUTES: must be name=value'],
    [{ OTEL_SDK_DISABLED: 'yes' }, 'OTEL_SDK_DISABLED: must be true or false'],
    [{ TRUST_TRACEPARENT: 'perhaps' }, 'TRUST_TRACEPARENT: must be true or false'],
  ])('is refused where it cannot be: %o', (wrong, sentence) => {
    expect(() => settings({ ...collector, ...wrong })).toThrow(sentence)
  })
})
