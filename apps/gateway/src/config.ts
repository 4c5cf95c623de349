import { ConfigError, type Environment, list, loadConfig, settings, whole } from '@offshoot/config'
import { roleUrls } from '@offshoot/data/migrate'
import { z } from 'zod'

/** The gateway's configuration. */
export interface GatewayConfig {
  production: boolean
  port: number
  /** Whether somebody asked for that port. If nobody did and it is taken, the next free one will do. */
  portAsked: boolean
  host: string
  /** Where people reach the product, without a trailing slash. Undefined in development until the port is bound. */
  publicUrl: string | undefined
  /** The host name of a tenant, with `{tenant}` for its slug; compared without the port. */
  tenantHost: string
  appSecret: string
  dataDir: string
  smtpUrl: string | undefined
  mailFrom: string
  logLevel: z.infer<typeof LogLevel>
  /** For Express' `trust proxy`: how many proxies stand in front, or their addresses. */
  trustProxy: false | number | string[]
  corsOrigins: string[]
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
  /** The administrator's URL, for whoever migrates; serving needs none when every domain has its own URL. */
  adminUrl: string | undefined
  /** The administrators of domains that live in a database of their own, by domain. */
  adminUrls: Record<string, string>
}

const LogLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])

const httpUrl = z
  .url({ protocol: /^https?$/ })
  .refine((value) => URL.canParse(value) && new URL(value).pathname === '/' && !/[?#]|\/$/.test(value))
  .describe('http://… or https://… without a path and without a slash at the end')

const postgresUrl = z.url({ protocol: /^postgres(ql)?$/ }).describe('postgres://user:password@host:port/database')

const proxy = String.raw`(loopback|linklocal|uniquelocal|[\da-fA-F:.]{2,}(/\d{1,3})?)`
const Proxies = z
  .string()
  .regex(new RegExp(String.raw`^(\d{1,2}|${proxy}(\s*,\s*${proxy})*)$`))
  .transform((value) => (/^\d+$/.test(value) ? Number(value) || (false as const) : value.split(/\s*,\s*/)))
  .describe('the number of proxies in front, or their addresses')

const settingsOfDomain = (domain: string) => ({
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

/** Every setting of the gateway that hosts `domains`, as they stand in the environment and in `.env.example`. */
export function gatewaySettings(domains: readonly string[]) {
  return z.object({
    PORT: whole(1, 65_535).default(4000).register(settings, {
      about: 'The port of the gateway. One that is set and taken is an error; otherwise the next free one is used.',
    }),
    HOST: z
      .string()
      .min(1)
      .optional()
      .register(settings, { about: 'The address to listen on.', otherwise: '127.0.0.1, in production 0.0.0.0' }),
    PUBLIC_URL: httpUrl.optional().register(settings, {
      about: 'Where people reach the product. Production must set it.',
      otherwise: 'http://localhost:PORT',
    }),
    TENANT_HOST: z
      .string()
      .regex(/^[a-z0-9.-]*\{tenant\}[a-z0-9.-]*$/)
      .describe('a host name with {tenant} in it, without a port')
      .optional()
      .register(settings, {
        about: 'The host name that chooses a tenant.',
        otherwise: '{tenant}. and the host name of PUBLIC_URL',
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
    TRUST_PROXY: Proxies.optional().register(settings, {
      about: 'The number of proxies in front, or their addresses: whose X-Forwarded headers are believed.',
      otherwise: 'nobody’s',
    }),
    CORS_ORIGINS: list(httpUrl)
      .default([])
      .register(settings, { about: 'Origins of other sites whose pages may call the API, separated by commas.' }),
  })
}

/** What changing the structure of the databases takes: their administrators, and the secret that roles' passwords derive from. */
export function loadDatabaseConfig(
  env: Environment,
  domains: readonly string[],
): Pick<GatewayConfig, 'adminUrl' | 'adminUrls' | 'appSecret'> {
  const { APP_SECRET, DATABASE_URL } = gatewaySettings(domains).shape
  const perDomain = Object.assign({}, ...domains.map(settingsOfDomain)) as ReturnType<typeof settingsOfDomain>
  const config = loadConfig(z.object({ APP_SECRET, DATABASE_URL, ...perDomain }), env)
  return { adminUrl: config.DATABASE_URL, adminUrls: administrators(config, domains), appSecret: config.APP_SECRET }
}

/** How flags are switched, for whoever looks at them. */
export function loadFlagsConfig(env: Environment): Pick<GatewayConfig, 'unleash' | 'flagsEnvironment'> {
  const { UNLEASH_URL, UNLEASH_TOKEN, UNLEASH_ENVIRONMENT } = gatewaySettings([]).shape
  const config = loadConfig(z.object({ UNLEASH_URL, UNLEASH_TOKEN, UNLEASH_ENVIRONMENT }), env, tokenMissing)
  return flagsOf(config, env.NODE_ENV === 'production')
}

const tokenMissing = (given: Environment) =>
  given.UNLEASH_URL && !given.UNLEASH_TOKEN ? ['UNLEASH_TOKEN: must be set where UNLEASH_URL is'] : []

function flagsOf(
  config: { UNLEASH_URL?: string; UNLEASH_TOKEN?: string; UNLEASH_ENVIRONMENT?: string },
  production: boolean,
): Pick<GatewayConfig, 'unleash' | 'flagsEnvironment'> {
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

/** Reads the configuration of a gateway that hosts `domains`; throws a `ConfigError` that lists everything that is wrong. */
export function loadGatewayConfig(env: Environment, domains: readonly string[]): GatewayConfig {
  const production = env.NODE_ENV === 'production'
  const config = loadConfig(gatewaySettings(domains), env, (given) => {
    if (!production) return tokenMissing(given)
    const homeless = domains.filter(
      (domain) => !given.DATABASE_URL && !databaseOf(given, domain, '') && !databaseOf(given, domain, 'ADMIN_'),
    )
    return [
      ...tokenMissing(given),
      ...(given.PUBLIC_URL ? [] : ['PUBLIC_URL: must be set in production']),
      ...homeless.map((domain) => `${upper(domain)}_DATABASE_URL: must be set in production, or DATABASE_URL`),
    ]
  })

  const publicHost = config.PUBLIC_URL ? new URL(config.PUBLIC_URL).hostname : 'localhost'
  const adminUrls = administrators(config, domains)

  return {
    production,
    port: config.PORT,
    portAsked: Boolean(env.PORT),
    host: config.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    publicUrl: config.PUBLIC_URL,
    tenantHost: config.TENANT_HOST ?? `{tenant}.${/^[\d.]+$|^\[/.test(publicHost) ? 'localhost' : publicHost}`,
    appSecret: config.APP_SECRET,
    dataDir: config.DATA_DIR,
    smtpUrl: config.SMTP_URL,
    mailFrom: config.MAIL_FROM,
    logLevel: config.LOG_LEVEL,
    trustProxy: config.TRUST_PROXY ?? false,
    corsOrigins: config.CORS_ORIGINS,
    adminUrl: config.DATABASE_URL,
    adminUrls,
    natsUrl: config.NATS_URL,
    ...flagsOf(config, production),
    eventsKeepDays: config.EVENTS_KEEP_DAYS,
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

function administrators(config: Record<string, unknown>, domains: readonly string[]): Record<string, string> {
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
