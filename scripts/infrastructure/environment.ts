/** The environment variables of a process, judged by the settings that the code has. */
import { ConfigError } from '@offshoot/config'
import { gatewaySettings, loadDatabaseConfig, loadGatewayConfig } from '@offshoot/gateway/config'
import { databases } from '@offshoot/gateway/domains'
import { loadServiceConfig } from '@offshoot/host/config'
import { gateway, settingOf } from '@offshoot/host/topology'
import { TelemetrySettingsError, telemetrySettings } from '@offshoot/telemetry/settings'
import type { Deployable } from './deployables.ts'

type Environment = Record<string, string>

const settings = gatewaySettings(databases).shape
/** For one signal alone, as OpenTelemetry names them. */
const ofOneSignal = /^OTEL_EXPORTER_OTLP_(TRACES|METRICS|LOGS)_(ENDPOINT|HEADERS)$/

/** What has the form of a setting that is kept secret; undefined for what is none. */
export function sampleOf(name: string): string | undefined {
  if (name.endsWith('DATABASE_URL')) return 'postgres://role:password@host:5432/database'
  const samples: Environment = {
    APP_SECRET: 'of at least thirty-two characters',
    NATS_URL: 'nats://host:4222',
    SMTP_URL: 'smtp://host:587',
    UNLEASH_TOKEN: 'token',
  }
  return samples[name]
}

/** What is wrong with the environment of a process of `app`; of the migration, if it is none. */
export function environmentProblems(
  env: Environment,
  one: Deployable | 'migrate',
  apps: readonly Deployable[],
): string[] {
  const addresses = apps.length > 1 ? apps.map(({ app }) => settingOf(app)) : []
  const unknown = Object.keys(env)
    .filter((name) => !(name in settings) && !ofOneSignal.test(name) && !addresses.includes(name))
    .map((name) => `names ${name}, which no process reads; see .env.example`)
  if (one === 'migrate')
    return [
      ...unknown,
      ...refused(() => loadDatabaseConfig({ ...production, ...env }, databases)),
      ...(env.DATABASE_URL ? [] : ['DATABASE_URL: must be set']),
    ]
  const hosted = one.databases.map((name) => name.replace('_DATABASE_URL', '').toLowerCase())
  const strangers = Object.keys(env)
    .filter((name) => name.endsWith('_DATABASE_URL') && !one.databases.includes(name))
    .map((name) => `is told ${name}, which is not a database of ${one.app}`)
  const lost = addresses
    .filter((name) => name !== settingOf(one.app) && !env[name])
    .map((name) => `${name}: must be set, since it is an app of the topology`)
  return [
    ...unknown,
    ...strangers,
    ...lost,
    ...refused(() =>
      one.app === gateway
        ? loadGatewayConfig({ ...production, ...env }, databases)
        : loadServiceConfig({ ...production, ...env }, hosted),
    ),
    ...refused(() => telemetrySettings({ ...production, ...env }, one.app)),
  ]
}

const production = { NODE_ENV: 'production' }

function refused(load: () => unknown): string[] {
  try {
    load()
    return []
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof TelemetrySettingsError)) throw error
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
}
