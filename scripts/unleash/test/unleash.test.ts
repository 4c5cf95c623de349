import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { flagRegistry, rollout, startFlags } from '@offshoot/flags/runtime'
import { domains } from '@offshoot/gateway/domains'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { testGateway } from '../../../apps/gateway/test/gateway.ts'
import { blocks, openShell } from '../../../apps/gateway/test/readme.ts'
import { importFlags } from '../import.ts'
import { startUnleash, type UnleashOptions, type UnleashServer } from '../server.ts'
import { checkout, layout, mail, registry, start } from './flags.ts'
import { type Bridge, openProxy } from './proxy.ts'

let options: UnleashOptions
let server: UnleashServer
let proxy: Bridge
const stops: (() => unknown)[] = []
const folder = mkdtempSync(join(tmpdir(), 'offshoot-flags-'))

beforeAll(async () => {
  const database = `unleash_test_${process.pid}_${Date.now()}`
  options = { adminUrl: process.env.TEST_DATABASE_URL!, database, port: await freePort(), secret: 'for tests' }
  server = await startUnleash(options)
  proxy = await openProxy(server.url)
  await importFlags(registry.values(), admin())
})
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  proxy.answer = undefined
  proxy.delay = 0
})
afterAll(async () => {
  await proxy.close()
  await server.stop()
  const client = new pg.Client({ connectionString: options.adminUrl })
  await client.connect()
  for (const what of ['DATABASE', 'ROLE']) await client.query(`DROP ${what} IF EXISTS "${options.database}"`)
  await client.end()
  rmSync(folder, { recursive: true, force: true })
})

const admin = () => ({ api: server.api, token: server.admin.token })
const token = () => server.tokens.development

async function ask<Answer = any>(method: string, path: string, body?: object): Promise<Answer> {
  const headers = { authorization: server.admin.token, 'content-type': 'application/json' }
  const response = await fetch(`${server.api}/admin${path}`, { method, headers, body: body && JSON.stringify(body) })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return response.json().catch(() => undefined) as Answer
}
const at = (key: string) => `/projects/default/features/${key}`
const inDevelopment = (key: string) => `${at(key)}/environments/development`
const turn = ({ key }: { key: string }, on: boolean) => ask('POST', `${inDevelopment(key)}/${on ? 'on' : 'off'}`)

/** Changes the strategy of a flag. */
async function follow({ key }: { key: string }, strategy: object) {
  const path = `${inDevelopment(key)}/strategies`
  const [{ id }] = await ask<[{ id: string }]>('GET', path)
  await ask('PUT', `${path}/${id}`, strategy)
}

function running(url = server.api, as = token(), backup?: string) {
  const flags = start({ url, token: as, backup })
  stops.push(flags.stop)
  return flags
}
const synchronized = (flags: { health(): { source: string; status: string } }) =>
  expect.poll(() => flags.health(), { timeout: 10_000 }).toMatchObject({ source: 'server', status: 'up' })
const soon = { timeout: 2_000, interval: 10 }

describe('importing the declared flags', () => {
  it('makes each with its kind, its default and its share of tenants, in every environment', async () => {
    for (const flag of registry.values()) {
      const found = await ask('GET', at(flag.key))
      expect(found).toMatchObject({ type: flag.kind, description: expect.stringContaining('Owner: shop.') })
      for (const { name, enabled } of found.environments) {
        expect([name, enabled]).toEqual([name, flag.default])
        const [strategy] = await ask('GET', `${at(flag.key)}/environments/${name}/strategies`)
        expect(strategy).toMatchObject({
          name: 'flexibleRollout',
          parameters: { rollout: '100', stickiness: 'tenant', groupId: flag.key },
        })
      }
    }
    expect(await ask('GET', '/context/tenant')).toMatchObject({ stickiness: true })
  })

  it('again changes nothing of how they stand', async () => {
    await turn(checkout, true)
    await follow(checkout, rollout(checkout, 30))
    expect(await importFlags(registry.values(), admin())).toEqual([])
    const [strategy] = await ask('GET', `${inDevelopment(checkout.key)}/strategies`)
    expect(strategy.parameters.rollout).toBe('30')
    expect((await ask('GET', inDevelopment(checkout.key))).enabled).toBe(true)
    await follow(checkout, rollout(checkout, 100))
    await turn(checkout, false)
  })

  it('is refused to a token that may only read', async () => {
    await expect(importFlags(registry.values(), { api: server.api, token: token() })).rejects.toThrow(
      /Unleash answers 40[13]/,
    )
  })
})

describe('a flag that is switched', () => {
  it('is switched in every process within two seconds, and so is the way back', async () => {
    const processes = await Promise.all([1, 2].map(openProcess))
    for (const on of [true, false, true, false]) {
      const changed = processes.map(({ next }) => next())
      const began = performance.now()
      await turn(checkout, on)
      expect(await Promise.all(changed)).toEqual([on, on])
      expect(performance.now() - began).toBeLessThan(2_000)
    }
  })

  it('is known to be asked for', async () => {
    const flags = running()
    await synchronized(flags)
    for (let n = 0; n < 5; n++) flags.isEnabled(mail, { tenant: 'acme' })
    flags.variant(layout, { tenant: 'acme' })
    const counted = async ({ key }: { key: string }) =>
      (await ask('GET', `/client-metrics/features/${key}/raw?hoursBack=1`)).data
    await expect
      .poll(() => counted(mail), { timeout: 30_000, interval: 500 })
      .toMatchObject([{ environment: 'development', appName: 'offshoot', yes: 5, no: 0 }])
    expect(await counted(layout)).toMatchObject([{ yes: 0, no: 1 }])
  })

  it('follows its strategies: a share of tenants, plans, variants', async () => {
    const flags = running()
    await synchronized(flags)
    const tenants = Array.from({ length: 200 }, (_, n) => `tenant-${n}`)
    const on = () => tenants.filter((tenant) => flags.isEnabled(checkout, { tenant }))
    await follow(checkout, rollout(checkout, 50))
    await turn(checkout, true)
    await expect.poll(() => on().length, soon).toBeGreaterThan(60)
    expect(on().length).toBeLessThan(140)
    const half = on()
    await follow(checkout, rollout(checkout, 80))
    await expect.poll(() => on().length, soon).toBeGreaterThan(half.length)
    expect(on()).toEqual(expect.arrayContaining(half))

    const constraints = [{ contextName: 'plan', operator: 'IN', values: ['pro'] }]
    await follow(checkout, { ...rollout(checkout, 100), constraints })
    await expect
      .poll(() => ['pro', 'free'].map((plan) => flags.isEnabled(checkout, { tenant: 'acme', plan })), soon)
      .toEqual([true, false])

    await turn(layout, true)
    await expect
      .poll(() => new Set(tenants.map((tenant) => flags.variant(layout, { tenant }))), soon)
      .toEqual(new Set(['list', 'cards']))
    await turn(layout, false)
    await follow(checkout, rollout(checkout, 100))
    await turn(checkout, false)
  })

  it('that is removed on the server has its default, is reported once, and is back when it is revived', async () => {
    const flags = running()
    await synchronized(flags)
    await turn(mail, false)
    await expect.poll(() => flags.isEnabled(mail, { tenant: 'acme' }), soon).toBe(false)
    await ask('DELETE', at(mail.key))
    await expect.poll(() => flags.isEnabled(mail, { tenant: 'acme' }), soon).toBe(true)
    expect(flags.isEnabled(checkout, { tenant: 'acme' })).toBe(false)
    expect(flags.health().status).toBe('up')
    expect(flags.logged.filter((line) => line.includes('does not have these'))).toEqual([
      expect.stringContaining(mail.key),
    ])
    await ask('POST', '/projects/default/revive', { features: [mail.key] })
    await turn(mail, true)
    await turn(mail, false)
    await expect.poll(() => flags.isEnabled(mail, { tenant: 'acme' }), soon).toBe(false)
    await turn(mail, true)
  })
})

describe('a server', () => {
  it('that is absent at the start is not waited for, and counts when it comes', async () => {
    const late = await freePort()
    const began = performance.now()
    const flags = running(`http://127.0.0.1:${late}/api`)
    expect([flags.isEnabled(mail), flags.isEnabled(checkout)]).toEqual([true, false])
    expect(performance.now() - began).toBeLessThan(200)
    await expect
      .poll(() => flags.health(), { timeout: 5_000 })
      .toEqual({ server: true, status: 'degraded', source: 'bootstrap', reason: 'cannot be reached (ECONNREFUSED)' })
    const other = await startUnleash({ ...options, port: late })
    stops.push(() => other.stop())
    await synchronized(flags)
  })

  it('that is absent at the start is stood in for by what it said the last time, and no other server by it', async () => {
    const backup = join(folder, 'backup.json')
    await turn(checkout, true)
    const before = running(server.api, token(), backup)
    await synchronized(before)
    await expect.poll(() => before.isEnabled(checkout, { tenant: 'acme' }), soon).toBe(true)
    expect(statSync(backup).size).toBeGreaterThan(100)
    before.stop()
    proxy.answer = (response) => response.destroy()
    // The same server, as far as a process can tell, which is away now.
    await turn(checkout, false)
    await server.kill()
    const after = running(server.api, token(), backup)
    expect(after.isEnabled(checkout, { tenant: 'acme' })).toBe(true)
    await expect.poll(() => after.health(), { timeout: 5_000 }).toMatchObject({ status: 'degraded', source: 'backup' })
    const another = running(server.api, server.tokens.production, backup)
    expect(another.isEnabled(checkout, { tenant: 'acme' })).toBe(false)
    server = await startUnleash(options)
    await expect.poll(() => after.isEnabled(checkout, { tenant: 'acme' }), { timeout: 7_000 }).toBe(false)
    await synchronized(after)
  })

  it('that takes ten seconds holds up nothing, and is believed when it answers', async () => {
    await turn(checkout, true)
    proxy.delay = 10_000
    const began = performance.now()
    const flags = running(proxy.api)
    expect(flags.isEnabled(checkout, { tenant: 'acme' })).toBe(false)
    expect(performance.now() - began).toBeLessThan(200)
    await sleep(6_000)
    expect(flags.health()).toMatchObject({ status: 'degraded', source: 'bootstrap', reason: 'does not answer' })
    await expect.poll(() => flags.isEnabled(checkout, { tenant: 'acme' }), { timeout: 8_000 }).toBe(true)
    proxy.delay = 0
    await turn(checkout, false)
  })

  it('that dies leaves everything as it was, and is followed again when it is back', async () => {
    await turn(checkout, true)
    const flags = running()
    await synchronized(flags)
    await expect.poll(() => flags.isEnabled(checkout, { tenant: 'acme' }), soon).toBe(true)
    await server.kill()
    await expect.poll(() => flags.health(), { timeout: 5_000 }).toMatchObject({ status: 'degraded', source: 'server' })
    expect(flags.isEnabled(checkout, { tenant: 'acme' })).toBe(true)
    server = await startUnleash(options)
    await expect.poll(() => flags.health().status, { timeout: 7_000 }).toBe('up')
    await turn(checkout, false)
    await expect.poll(() => flags.isEnabled(checkout, { tenant: 'acme' }), soon).toBe(false)
  })

  const page =
    (body: string, status = 200, headers: Record<string, string> = {}) =>
    (response: ServerResponse) =>
      void response.writeHead(status, { 'content-type': 'application/json', etag: '"1"', ...headers }).end(body)
  it.each<[string, (response: ServerResponse) => void]>([
    ['a web page', page('<html>Welcome</html>')],
    ['JSON that is cut short', page('{"version":2,"features":[{"name":')],
    [
      'an answer that is cut short',
      (response) => void response.writeHead(200, { 'content-length': '1000' }).write('{', () => response.destroy()),
    ],
    ['an empty object', page('{}')],
    ['null', page('null')],
    ['features that are none', page('{"version":2,"features":[{"name":"shop.checkout","enabled":"yes"}]}')],
    ['features without strategies', page('{"version":2,"features":[{"name":"shop.checkout","enabled":false}]}')],
    ['404', page('{}', 404)],
    ['500', page('oops', 500)],
    ['a redirect', page('', 302, { location: 'http://127.0.0.1:1/' })],
  ])('that answers with %s changes nothing, and is believed again when it makes sense', async (_, answer) => {
    await turn(checkout, true)
    const flags = running(proxy.api)
    await synchronized(flags)
    await expect.poll(() => flags.isEnabled(checkout, { tenant: 'acme' }), soon).toBe(true)
    proxy.answer = answer
    await expect.poll(() => flags.health(), { timeout: 5_000 }).toMatchObject({ status: 'degraded', source: 'server' })
    await sleep(300)
    expect(flags.isEnabled(checkout, { tenant: 'acme' })).toBe(true)
    proxy.answer = undefined
    await turn(checkout, false)
    await expect.poll(() => flags.isEnabled(checkout, { tenant: 'acme' }), { timeout: 7_000 }).toBe(false)
  })

  it('that refuses the token is asked again, and the token is told to nobody', async () => {
    const wrong = 'default:development.0123456789abcdef'
    const flags = running(server.api, wrong)
    await expect
      .poll(() => flags.health(), { timeout: 5_000 })
      .toEqual({ server: true, status: 'degraded', source: 'bootstrap', reason: 'refuses the token (401)' })
    expect([flags.isEnabled(mail), flags.isEnabled(checkout)]).toEqual([true, false])
    expect(flags.logged.join('\n')).not.toContain('0123456789abcdef')
    await ask('POST', '/api-tokens', {
      tokenName: 'late',
      type: 'backend',
      environment: 'development',
      projects: ['default'],
      secret: wrong,
    }).catch(() => undefined)
    proxy.answer = page('', 401)
    const later = running(proxy.api)
    await expect.poll(() => later.health().reason, { timeout: 5_000 }).toBe('refuses the token (401)')
    proxy.answer = undefined
    await synchronized(later)
  })
})

async function openProcess() {
  const child = fork(join(import.meta.dirname, 'process.ts'), [server.api, token()])
  stops.push(async () => {
    const gone = once(child, 'exit')
    child.disconnect()
    await gone
  })
  const next = async () => (await once(child, 'message'))[0] as boolean
  await next()
  return { next }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  return port
}

// #region with catalog, orders, billing, notifications, insights
describe('the product', () => {
  it('changes what it does while it runs, as the README flips a flag', async () => {
    const registry = flagRegistry(domains)
    await importFlags(registry.values(), admin())
    const from = { url: server.api, token: token() }
    const log = { info() {}, warn() {} }
    const flags = startFlags({ registry, server: from, environment: 'development', log })
    const gateway = await testGateway({ flags })
    const shell = openShell(gateway.url)
    stops.push(shell.close, gateway.close, flags.stop)
    await synchronized(flags)

    const [, ...walk] = blockWith('flip()')
    await shell.follow(blocks[0]!)
    for (const name of ['TOKEN=', 'PRODUCT='])
      await shell.follow(blockWith(name).filter((command) => command.startsWith(name)))
    await shell.run(`UNLEASH=${server.url} ADMIN='${server.admin.token}'`)
    await shell.follow(walk)
  })
})

/** The block of the README's walk with this in it. */
function blockWith(text: string): string[] {
  const found = blocks.find((commands) => commands.some((command) => command.includes(text)))
  if (!found) throw new Error(`The README's walk has no ${text} any more.`)
  return found
}
// #endregion
