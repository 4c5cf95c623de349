import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { defineFlag } from '../src/index.ts'
import { bootstrap, type Feature, feature, flagRegistry, startFlags } from '../src/runtime.ts'

// What a real Unleash server does is tested by `npm run test:unleash`; this stands in for what no real one can be brought to do.
const about = { owner: 'shop', since: '2026-11-25', description: 'For tests.', expires: null }
const checkout = defineFlag({ key: 'shop.checkout', kind: 'operational', default: false, ...about })
const mail = defineFlag({ key: 'shop.mail', kind: 'kill-switch', default: true, ...about })
const registry = flagRegistry([{ name: 'shop', definition: { flags: [checkout, mail] } }])
const token = 'default:development.not-to-be-seen'

let answer: (request: IncomingMessage, response: ServerResponse) => void
const asked: IncomingMessage[] = []
const server = createServer((request, response) => {
  if (request.url === '/api/client/features') asked.push(request)
  answer(request, response)
})
const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`
const folder = mkdtempSync(join(tmpdir(), 'offshoot-flags-'))
const stops: (() => void)[] = []

beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'))
beforeEach(() => {
  asked.length = 0
  answer = says({ enabled: true })
})
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A server at which the checkout flag stands like this. */
const says =
  (change: Partial<Feature>, etag = JSON.stringify(JSON.stringify(change))) =>
  (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end()
    response
      .writeHead(200, { etag })
      .end(JSON.stringify({ ...bootstrap([mail]), features: [{ ...feature(checkout), ...change }, feature(mail)] }))
  }
const text =
  (body: string, status = 200, etag = '"x"') =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(status, { etag }).end(body)

function start(options: { url?: string; backup?: string; token?: string } = {}) {
  const logged: string[] = []
  const log = (details: object, message: string) => logged.push(`${message} ${JSON.stringify(details)}`)
  const flags = startFlags({
    registry,
    server: { url: url(), token, every: 20, ...options },
    environment: 'test',
    log: { info: log, warn: log },
  })
  stops.push(flags.stop)
  return { ...flags, logged, on: () => flags.isEnabled(checkout, { tenant: 'acme' }) }
}
const soon = { timeout: 3_000, interval: 10 }

describe('an Unleash server', () => {
  it('is asked for what has changed, and answers with nothing when nothing has', async () => {
    const flags = start()
    await expect.poll(flags.on, soon).toBe(true)
    await expect.poll(() => asked.length, soon).toBeGreaterThan(3)
    expect(asked[0]!.headers).toMatchObject({ authorization: token, 'unleash-appname': 'offshoot' })
    expect(asked.at(-1)!.headers['if-none-match']).toBe(JSON.stringify('{"enabled":true}'))
    answer = says({ enabled: false })
    await expect.poll(flags.on, soon).toBe(false)
  })

  it('that talks nonsense changes nothing, and is asked again for what it had meant', async () => {
    const flags = start()
    await expect.poll(flags.on, soon).toBe(true)
    for (const body of [
      '',
      '<html>',
      '{}',
      'null',
      '[]',
      '{"version":2,"features":{}}',
      '{"version":2,"features":[{"name":"shop.checkout"}]}',
    ]) {
      const enabled = flags.on()
      const meant = { enabled: !enabled }
      answer = text(body, 200, JSON.stringify(JSON.stringify(meant)))
      await expect.poll(() => flags.health().status, soon).toBe('degraded')
      expect(flags.on(), body).toBe(enabled)
      answer = says(meant)
      await expect.poll(flags.on, soon).toBe(!enabled)
      expect(flags.health().status).toBe('up')
    }
  })

  it('that refuses is asked again, and less often', async () => {
    for (const status of [401, 403, 404, 429, 500]) {
      answer = text('', status)
      const flags = start()
      await expect.poll(() => flags.health().reason, soon).toContain(`${status}`)
      asked.length = 0
      await sleep(200)
      expect(asked.length, `${status}`).toBeLessThan(6)
      answer = says({ enabled: true })
      await expect.poll(flags.on, soon).toBe(true)
      flags.stop()
    }
  })

  it('that sends somewhere else is not followed: the token is for nobody but itself', async () => {
    const told: unknown[] = []
    const other = createServer((request, response) => {
      told.push(request.headers.authorization)
      response.end()
    }).listen(0, '127.0.0.1')
    await once(other, 'listening')
    answer = (_, response) =>
      void response.writeHead(302, { location: `http://localhost:${(other.address() as AddressInfo).port}/` }).end()
    const flags = start()
    await expect.poll(() => flags.health().reason, soon).toBe('answers with status 302')
    other.closeAllConnections()
    other.close()
    expect(told.filter(Boolean)).toEqual([])
  })

  it('that sends without an end is cut off', async () => {
    answer = (_, response) => {
      const more = () => response.write('x'.repeat(1_000_000), () => setImmediate(more))
      response.on('error', () => {})
      more()
    }
    const flags = start()
    await expect.poll(() => flags.health().reason).toContain('more than')
  })

  it('that does not answer is not waited for, at the start or at the end', async () => {
    await sleep(50) // what the test before has sent arrives
    asked.length = 0
    answer = () => {}
    const began = performance.now()
    const flags = start()
    expect([flags.on(), flags.isEnabled(mail)]).toEqual([false, true])
    flags.stop()
    expect(performance.now() - began).toBeLessThan(1_000)
    await sleep(50)
    expect(asked.length).toBeLessThanOrEqual(1)
  })

  it('is reported once when it fails and once when it works again, without the token', async () => {
    const flags = start()
    await expect.poll(flags.on, soon).toBe(true)
    answer = text('', 500)
    await expect.poll(() => flags.health().status, soon).toBe('degraded')
    await sleep(100)
    answer = says({ enabled: true })
    await expect.poll(() => flags.health().status, soon).toBe('up')
    expect(flags.logged).toEqual([
      expect.stringContaining('the last known state holds {"reason":"answers with status 500"'),
      expect.stringContaining('works again'),
    ])
    expect(flags.logged.join()).not.toContain('not-to-be-seen')
  })
})

describe('the last known state', () => {
  const backup = join(folder, 'below', 'flags.json')
  const away = 'http://127.0.0.1:9/api'

  it('is there at the next start, for the same server and token alone, and holds no token', async () => {
    const before = start({ backup })
    await expect.poll(before.on, soon).toBe(true)
    before.stop()
    expect(readFileSync(backup, 'utf8')).not.toContain('not-to-be-seen')
    answer = () => {}
    expect(start({ backup }).on()).toBe(true)
    expect(start({ backup, token: 'default:production.other' }).on()).toBe(false)
    expect(start({ backup, url: away }).on()).toBe(false)
  })

  it.each(['', '{"of":', '{"of":"x","state":{}}', '[]'])('that is damaged is none: %s', (content) => {
    writeFileSync(backup, content)
    expect(start({ backup, url: away }).health().source).toBe('bootstrap')
  })

  it('is kept in memory where there is no place to keep it', async () => {
    const flags = start({ backup: join(backup, 'not', 'a', 'folder') })
    await expect.poll(flags.on, soon).toBe(true)
    expect(flags.logged).toEqual([expect.stringContaining('cannot be kept on disk')])
    answer = text('', 500)
    await expect.poll(() => flags.health().status, soon).toBe('degraded')
    expect(flags.on()).toBe(true)
  })
})
