import { ConfigError } from '@offshoot/config'
import { describe, expect, it } from 'vitest'
import { loadGatewayConfig } from '../src/config.ts'

const domains = ['identity', 'orders']
const load = (env: Record<string, string>) => loadGatewayConfig(env, domains)

function problems(env: Record<string, string>): readonly string[] {
  try {
    load(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
  }
  return []
}

const production = {
  NODE_ENV: 'production',
  APP_SECRET: 'x'.repeat(32),
  PUBLIC_URL: 'https://shop.example',
  DATABASE_URL: 'postgres://admin:secret@db/shop',
}

describe('the configuration of the gateway', () => {
  it('needs nothing in development', () => {
    const { databaseUrl, ...config } = load({})
    expect(config).toMatchObject({
      production: false,
      port: 4000,
      portAsked: false,
      host: '127.0.0.1',
      publicUrl: undefined,
      tenantHost: '{tenant}.localhost',
      trustProxy: false,
      corsOrigins: [],
    })
    expect(() => databaseUrl('orders')).toThrow('ORDERS_DATABASE_URL: must be set, or DATABASE_URL')
  })

  it('lists all that production lacks', () => {
    expect(problems({ NODE_ENV: 'production', ORDERS_DATABASE_URL: 'postgres://orders:x@db/shop' })).toEqual([
      'APP_SECRET: must be set in production',
      'PUBLIC_URL: must be set in production',
      'IDENTITY_DATABASE_URL: must be set in production, or DATABASE_URL',
    ])
    expect(load(production)).toMatchObject({ host: '0.0.0.0', tenantHost: '{tenant}.shop.example' })
  })

  it('takes the address of an Unleash server with a token or not at all', () => {
    const unleash = { UNLEASH_URL: 'https://flags.example', UNLEASH_TOKEN: 'default:production.secret' }
    expect(load({})).toMatchObject({ unleash: undefined, flagsEnvironment: 'development' })
    expect(load({ ...production, ...unleash })).toMatchObject({
      unleash: { url: 'https://flags.example/api', token: unleash.UNLEASH_TOKEN },
      flagsEnvironment: 'production',
    })
    expect(load({ ...unleash, UNLEASH_URL: 'https://flags.example/below/api/' }).unleash?.url).toBe(
      'https://flags.example/below/api',
    )
    expect(problems({ UNLEASH_URL: unleash.UNLEASH_URL })).toEqual(['UNLEASH_TOKEN: must be set where UNLEASH_URL is'])
    expect(problems({ ...unleash, UNLEASH_TOKEN: 'two lines\nsecret' })).toEqual([
      'UNLEASH_TOKEN: must be a backend token of the Unleash server',
    ])
  })

  it('never prints a password', () => {
    expect(problems({ ...production, DATABASE_URL: 'mysql://admin:secret@db/shop' })).toEqual([
      'DATABASE_URL: must be postgres://user:password@host:port/database',
    ])
  })

  it('derives the URL of a serving role from the administrator, the domain’s own first', () => {
    const config = load({ ...production, ORDERS_ADMIN_DATABASE_URL: 'postgres://admin@elsewhere/orders' })
    expect(config.databaseUrl('identity')).toMatch(/^postgres:\/\/shop_identity:[^@]+@db\/shop$/)
    expect(config.databaseUrl('orders')).toMatch(/^postgres:\/\/orders_orders:[^@]+@elsewhere\/orders$/)
    expect(config.adminUrls).toEqual({ orders: 'postgres://admin@elsewhere/orders' })
  })

  it('serves without any administrator', () => {
    const { DATABASE_URL: _, ...env } = production
    const urls = { IDENTITY_DATABASE_URL: 'postgres://i:x@db/shop', ORDERS_DATABASE_URL: 'postgres://o:x@db/shop' }
    const config = load({ ...env, ...urls })
    expect(config.databaseUrl('orders')).toBe('postgres://o:x@db/shop')
    expect(config.adminUrl).toBeUndefined()
  })

  it('knows whether a port was asked for', () => {
    expect(load({ PORT: '4000' }).portAsked).toBe(true)
    expect(load({ PORT: '' }).portAsked).toBe(false)
  })

  it.each([
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '*'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['PUBLIC_URL', 'https://shop.example/'],
    ['PUBLIC_URL', 'javascript:alert(1)'],
    ['TENANT_HOST', 'shop.example'],
    ['MAIL_FROM', 'a@b.example\r\nBcc: everyone@c.example'],
    ['LOG_LEVEL', 'loud'],
  ])('refuses %s=%s', (name, value) => {
    expect(problems({ [name]: value })).toHaveLength(1)
  })

  it('reads proxies as Express takes them, and origins as a list', () => {
    expect(load({ TRUST_PROXY: '1' }).trustProxy).toBe(1)
    expect(load({ TRUST_PROXY: '0' }).trustProxy).toBe(false)
    expect(load({ TRUST_PROXY: 'loopback, 10.0.0.0/8' }).trustProxy).toEqual(['loopback', '10.0.0.0/8'])
    expect(load({ CORS_ORIGINS: 'https://a.example, http://b.example:81' }).corsOrigins).toHaveLength(2)
  })
})
