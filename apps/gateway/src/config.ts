import { type Environment, list, loadConfig, settings, whole } from '@offshoot/config'
import {
  administrators,
  flagsOf,
  httpUrl,
  missingSettings,
  type ProcessConfig,
  processConfig,
  processSettings,
  settingsOfDomain,
  tokenMissing,
} from '@offshoot/host/config'
import { z } from 'zod'

/** The gateway's configuration. */
export interface GatewayConfig extends ProcessConfig {
  port: number
  /** Whether somebody asked for that port. If nobody did and it is taken, the next free one will do. */
  portAsked: boolean
  host: string
  /** The host name of a tenant, with `{tenant}` for its slug; compared without the port. */
  tenantHost: string
  /** For Express' `trust proxy`: how many proxies stand in front, or their addresses. */
  trustProxy: false | number | string[]
  corsOrigins: string[]
  /** The administrator's URL, for whoever migrates; serving needs none when every domain has its own URL. */
  adminUrl: string | undefined
  /** The administrators of domains that live in a database of their own, by domain. */
  adminUrls: Record<string, string>
}

const proxy = String.raw`(loopback|linklocal|uniquelocal|[\da-fA-F:.]{2,}(/\d{1,3})?)`
const Proxies = z
  .string()
  .regex(new RegExp(String.raw`^(\d{1,2}|${proxy}(\s*,\s*${proxy})*)$`))
  .transform((value) => (/^\d+$/.test(value) ? Number(value) || (false as const) : value.split(/\s*,\s*/)))
  .describe('the number of proxies in front, or their addresses')

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
    TENANT_HOST: z
      .string()
      .regex(/^[a-z0-9.-]*\{tenant\}[a-z0-9.-]*$/)
      .describe('a host name with {tenant} in it, without a port')
      .optional()
      .register(settings, {
        about: 'The host name that chooses a tenant.',
        otherwise: '{tenant}. and the host name of PUBLIC_URL',
      }),
    ...processSettings(domains).shape,
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

/** Reads the configuration of a gateway that hosts `domains`; throws a `ConfigError` that lists everything that is wrong. */
export function loadGatewayConfig(env: Environment, domains: readonly string[]): GatewayConfig {
  const production = env.NODE_ENV === 'production'
  const config = loadConfig(gatewaySettings(domains), env, (given) =>
    missingSettings({ ...given, NODE_ENV: env.NODE_ENV }, domains),
  )
  const publicHost = config.PUBLIC_URL ? new URL(config.PUBLIC_URL).hostname : 'localhost'
  const adminUrls = administrators(config, domains)
  return {
    ...processConfig(config, production, adminUrls),
    port: config.PORT,
    portAsked: Boolean(env.PORT),
    host: config.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    tenantHost: config.TENANT_HOST ?? `{tenant}.${/^[\d.]+$|^\[/.test(publicHost) ? 'localhost' : publicHost}`,
    trustProxy: config.TRUST_PROXY ?? false,
    corsOrigins: config.CORS_ORIGINS,
    adminUrl: config.DATABASE_URL,
    adminUrls,
  }
}
