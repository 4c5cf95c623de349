import { join, resolve } from 'node:path'
import { ConfigError, type Environment, loadConfig, settings, whole } from '@offshoot/config'
import { roleUrls } from '@offshoot/data/migrate'
import { samplers } from '@offshoot/telemetry/settings'
import { z } from 'zod'

/** The repository's root. */
export const root = join(import.meta.dirname, '../../../..')

/** What every process of the product is told, whichever domains it hosts. */
export interface ProcessConfig {
  production: boolean
  /** Where people reach the product, without a trailing slash. Undefined in development until the gateway's port is bound. */
  publicUrl: string | undefined
  appSecret: string
  dataDir: string
  smtpUrl: string | undefined
  mailFrom: string
  logLevel: z.infer<typeof LogLevel>
  /** The URL of a domain's serving role; of the role that carries events for `events`. */
  databaseUrl(domain: string): string
  /** The URL of a domain's system role, on the same database. */
  systemUrl(domain: string): string
  /** For how many days events are kept after they were published and handled. */
  eventsKeepDays: number
  /** A NATS server that carries events instead of PostgreSQL. */
  natsUrl: string | undefined
  /** The Unleash server that says how flags stand; undefined when none does. */
  unleash: { url: string; token: string } | undefined
  /** What flags that depend on the environment are told. */
  flagsEnvironment: string
  /** `http` serves and handles no events, `worker` the other way round. */
  role: z.infer<typeof ProcessRole>
  /** Where metrics are scraped and other apps call; undefined when nobody does. */
  internalPort: number | undefined
  /** The file that says which app hosts which domain. */
  topologyFile: string
}

const LogLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])

const httpUrlWithPath = z.url({ protocol: /^https?$/ }).describe('http://host:port')

export const httpUrl = z
  .url({ protocol: /^https?$/ })
  .refine((value) => URL.canParse(value) && new URL(value).pathname === '/' && !/[?#]|\/$/.test(value))
  .describe('http://… or https://… without a path and without a slash at the end')

const postgresUrl = z.url({ protocol: /^postgres(ql)?$/ }).describe('postgres://user:password@host:port/database')

const ProcessRole = z.enum(['all', 'http', 'worker'])

export const settingsOfDomain = (domain: string) => ({
  [`${upper(domain)}_DATABASE_URL`]: postgresUrl.optional().register(settings, {
    about: `How ${domain} reaches its database: its serving role, never an administrator.`,
    otherwise: `derived from ${upper(domain)}_ADMIN_DATABASE_URL or DATABASE_URL, and APP_SECRET`,
    secret: true,
  }),
  [`${upper(domain)}_ADMIN_DATABASE_URL`]: postgresUrl.optional().register(settings, {
    about: `Migrates ${domain} when it lives in a database of its own.`,
    otherwise: 'DATABASE_URL',
    secret: true,
  }),
})

/** The settings that every process has, as they stand in the environment and in `.env.example`. */
export function processSettings(domains: readonly string[]) {
  return z.object({
    PUBLIC_URL: httpUrl.optional().register(settings, {
      about: 'Where people reach the product. Production must set it.',
      otherwise: 'http://localhost:PORT',
    }),
    APP_SECRET: z.string().min(32).describe('at least 32 characters').register(settings, {
      about:
        'What sessions, identities and the passwords of database roles are derived from: at least 32 random characters.',
      development: 'a secret for development only, known to everyone',
      secret: true,
    }),
    DATA_DIR: z.string().min(1).default('.data').register(settings, {
      about:
        'Where the embedded PostgreSQL keeps its data (development only), and where a process keeps the last known state of flags for its next start.',
    }),
    DATABASE_URL: postgresUrl.optional().register(settings, {
      about: 'The administrator of the database: creates schemas and roles, and migrates.',
      otherwise: 'an embedded PostgreSQL in DATA_DIR; production needs this or the URLs of all domains',
      secret: true,
    }),
    ...(Object.assign({}, ...domains.map(settingsOfDomain)) as Record<string, z.ZodOptional<typeof postgresUrl>>),
    NATS_URL: z
      .string()
      .regex(/^(nats|tls):\/\/[^\s,]+(,(nats|tls):\/\/[^\s,]+)*$/)
      .describe('nats://user:password@host:port, several separated by commas')
      .optional()
      .register(settings, {
        about: 'NATS servers with JetStream that carry events between domains.',
        otherwise: 'events are carried by PostgreSQL, at EVENTS_DATABASE_URL',
        secret: true,
      }),
    EVENTS_KEEP_DAYS: whole(8, 36_500).default(365).register(settings, {
      about:
        'For how many days events are kept after they were published and handled. Projections are rebuilt from what is kept. At least 8: for 7 days a broker may deliver again what it has lost.',
    }),
    UNLEASH_URL: z
      .url({ protocol: /^https?$/ })
      .refine((value) => !/[?#]/.test(value))
      .describe('http://host:port/api')
      .optional()
      .register(settings, {
        about: 'The API of the Unleash server that switches flags. It may be away at any time.',
        otherwise: 'each flag has the default of its declaration',
      }),
    UNLEASH_TOKEN: z
      .string()
      .regex(/^[\x21-\x7e]{1,500}$/)
      .describe('a backend token of the Unleash server')
      .optional()
      .register(settings, {
        about: 'A backend token of that server, for the environment whose flags are meant.',
        otherwise: 'needed when UNLEASH_URL is set',
        secret: true,
      }),
    UNLEASH_ENVIRONMENT: z
      .string()
      .regex(/^[\w.~-]{1,100}$/)
      .describe('the name of an environment')
      .optional()
      .register(settings, {
        about: 'What constraints of flags by environment are compared with.',
        otherwise: 'development, or production in production',
      }),
    SMTP_URL: z
      .url({ protocol: /^smtps?$/ })
      .describe('smtp://user:password@host:port')
      .optional()
      .register(settings, {
        about: 'The server that sends mail.',
        otherwise: 'mail is caught and, in development, shown at /dev/mail',
        secret: true,
      }),
    MAIL_FROM: z
      .string()
      .regex(/^[^\r\n]+@[^\r\n]+$/)
      .describe('an email address, or Name <address>')
      .default('Offshoot <no-reply@offshoot.test>')
      .register(settings, { about: 'The sender of mail.' }),
    LOG_LEVEL: LogLevel.describe(`one of ${LogLevel.options.join(', ')}`)
      .default('info')
      .register(settings, { about: `What is logged: ${LogLevel.options.join(', ')}.` }),
    ROLE: ProcessRole.describe('all, http or worker').default('all').register(settings, {
      about:
        'What a process does: `http` serves requests and calls, `worker` handles events and schedules, `all` both.',
    }),
    INTERNAL_PORT: whole(1, 65_535).optional().register(settings, {
      about: 'A port for the inside only: metrics for Prometheus at /metrics, and calls from other apps.',
      otherwise: 'none in production; in development calls are served on 4100, or the next free port',
    }),
    TOPOLOGY_FILE: z.string().min(1).optional().register(settings, {
      about: 'The file that says which app hosts which domain. A change is followed without a restart.',
      otherwise: 'topology.json',
    }),
    TRUST_TRACEPARENT: z.enum(['true', 'false']).describe('true or false').default('false').register(settings, {
      about: 'Whether the trace of a request’s own traceparent header is continued. Anybody can write one.',
    }),
    OTEL_EXPORTER_OTLP_ENDPOINT: httpUrlWithPath.optional().register(settings, {
      about:
        'The OpenTelemetry collector that traces, metrics and logs are sent to, by OTLP over HTTP. For one signal alone: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, …_METRICS_…, …_LOGS_…, with the whole path.',
      otherwise: 'nothing is sent',
    }),
    OTEL_EXPORTER_OTLP_HEADERS: z.string().optional().register(settings, {
      about: 'Headers for the collector: name=value, several separated by commas.',
      otherwise: 'none',
      secret: true,
    }),
    OTEL_EXPORTER_OTLP_PROTOCOL: z
      .literal('http/protobuf')
      .describe('http/protobuf')
      .default('http/protobuf')
      .register(settings, { about: 'How collectors are spoken to. There is one way.' }),
    OTEL_METRIC_EXPORT_INTERVAL: whole(10, 99_999_999).default(60_000).register(settings, {
      about: 'How often metrics are sent to the collector, in ms.',
    }),
    OTEL_SERVICE_NAME: z.string().optional().register(settings, {
      about: 'What the process is called in telemetry.',
      otherwise: 'offshoot- and the name of the app',
    }),
    OTEL_RESOURCE_ATTRIBUTES: z.string().optional().register(settings, {
      about: 'What else everything that it sends says of it: name=value, several separated by commas.',
      otherwise: 'service.name, service.version and deployment.environment.name',
    }),
    OTEL_TRACES_SAMPLER: z
      .enum(samplers)
      .describe(`one of ${samplers.join(', ')}`)
      .default('parentbased_always_on')
      .register(settings, {
        about: `Which traces are recorded: ${samplers.join(', ')}.`,
      }),
    OTEL_TRACES_SAMPLER_ARG: z
      .string()
      .regex(/^(0(\.\d+)?|1(\.0+)?)$/)
      .describe('a share from 0 to 1')
      .optional()
      .register(settings, { about: 'Which share of them, for the samplers that take a ratio.', otherwise: '1' }),
    OTEL_SDK_DISABLED: z
      .string()
      .regex(/^(true|false)$/i)
      .describe('true or false')
      .default('false')
      .register(settings, {
        about: 'Switches all telemetry off.',
      }),
  })
}

export const tokenMissing = (given: Environment) =>
  given.UNLEASH_URL && !given.UNLEASH_TOKEN ? ['UNLEASH_TOKEN: must be set where UNLEASH_URL is'] : []

export function flagsOf(
  config: { UNLEASH_URL?: string; UNLEASH_TOKEN?: string; UNLEASH_ENVIRONMENT?: string },
  production: boolean,
): Pick<ProcessConfig, 'unleash' | 'flagsEnvironment'> {
  return {
    unleash: config.UNLEASH_URL ? { url: apiOf(config.UNLEASH_URL), token: config.UNLEASH_TOKEN! } : undefined,
    flagsEnvironment: config.UNLEASH_ENVIRONMENT ?? (production ? 'production' : 'development'),
  }
}

/** Unleash itself calls the address of its console UNLEASH_URL: that means the API below it. */
function apiOf(url: string): string {
  const bare = url.replace(/\/+$/, '')
  return new URL(bare).pathname === '/' ? `${bare}/api` : bare
}

/** The configuration of a process, from settings that were loaded. */
export function processConfig(
  config: z.infer<ReturnType<typeof processSettings>>,
  production: boolean,
  adminUrls: Record<string, string>,
): ProcessConfig {
  return {
    production,
    publicUrl: config.PUBLIC_URL,
    appSecret: config.APP_SECRET,
    dataDir: config.DATA_DIR,
    smtpUrl: config.SMTP_URL,
    mailFrom: config.MAIL_FROM,
    logLevel: config.LOG_LEVEL,
    natsUrl: config.NATS_URL,
    ...flagsOf(config, production),
    eventsKeepDays: config.EVENTS_KEEP_DAYS,
    role: config.ROLE,
    internalPort: config.INTERNAL_PORT,
    topologyFile: resolve(root, config.TOPOLOGY_FILE ?? 'topology.json'),
    systemUrl(domain) {
      return roleUrls(this.databaseUrl(domain), domain, config.APP_SECRET).system
    },
    databaseUrl(domain) {
      const serving = databaseOf(config, domain, '')
      if (serving) return serving
      const administrator = adminUrls[domain] ?? config.DATABASE_URL
      if (administrator) return roleUrls(administrator, domain, config.APP_SECRET).serving
      throw new ConfigError([
        `${upper(domain)}_DATABASE_URL: must be set, or DATABASE_URL; npm start sets it to an embedded PostgreSQL`,
      ])
    },
  }
}

/** What is missing in the settings of a process that hosts `domains`. */
export function missingSettings(given: Environment, domains: readonly string[]): string[] {
  if (given.NODE_ENV !== 'production') return tokenMissing(given)
  const homeless = domains.filter(
    (domain) => !given.DATABASE_URL && !databaseOf(given, domain, '') && !databaseOf(given, domain, 'ADMIN_'),
  )
  return [
    ...tokenMissing(given),
    ...(given.PUBLIC_URL ? [] : ['PUBLIC_URL: must be set in production']),
    ...homeless.map((domain) => `${upper(domain)}_DATABASE_URL: must be set in production, or DATABASE_URL`),
  ]
}

/** Reads the configuration of a service that hosts `domains`; throws a `ConfigError` that lists everything that is wrong. */
export function loadServiceConfig(env: Environment, domains: readonly string[]): ProcessConfig {
  const config = loadConfig(processSettings(domains), env, (given) =>
    missingSettings({ ...given, NODE_ENV: env.NODE_ENV }, domains),
  )
  return processConfig(config, env.NODE_ENV === 'production', administrators(config, domains))
}

export function administrators(config: Record<string, unknown>, domains: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    domains.flatMap((domain) => {
      const url = databaseOf(config, domain, 'ADMIN_')
      return url ? [[domain, url]] : []
    }),
  )
}

function databaseOf(config: Record<string, unknown>, domain: string, kind: '' | 'ADMIN_'): string | undefined {
  return config[`${upper(domain)}_${kind}DATABASE_URL`] as string | undefined
}

const upper = (domain: string) => domain.toUpperCase()
