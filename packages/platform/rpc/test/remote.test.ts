import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { callListener, createClient, defineContract, type Identity, query } from '../src/index.ts'
import { type RemoteOptions, remoteLink } from '../src/remote.ts'
import { largestBody } from '../src/wire.ts'
import { acme, as, shelf as contract, openShelf, shelfBy } from './shelf.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function listen(listener: RequestListener, port = 0): Promise<Server & { url: string }> {
  const server = createServer(listener).listen(port, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return Object.assign(server, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

const { tokens } = openShelf()

/** A client of whatever is at `url`. */
function clientAt(url: string, options?: RemoteOptions) {
  const remote = remoteLink(url, options)
  closing.push(remote.close)
  return (identity: Identity = as('owner'), more: { deadline?: number; signal?: AbortSignal } = {}) =>
    createClient(contract, remote.link, tokens, {
      identity,
      requestId: 'request-1',
      deadline: Number.POSITIVE_INFINITY,
      ...more,
    })
}

const tooMuch = Buffer.alloc(largestBody + 1, ' ')
const soon = () => performance.now() + 300
const id = '01890000-0000-7000-8000-0000000000f1'
const failure = (call: Promise<unknown>): Promise<any> =>
  call.then(
    () => expect.unreachable('the call succeeded'),
    (error) => error,
  )

describe('a service that is in trouble', () => {
  it('which is away makes its calls UNAVAILABLE at once, and is found again when it is back', async () => {
    const { server, tokens } = openShelf()
    const first = await listen(callListener(new Map([['shelf', server]]), tokens))
    const client = clientAt(first.url)
    expect(await client().echo({ value: 1 })).toEqual({ value: 1 })
    first.close()
    first.closeAllConnections()
    const began = performance.now()
    for (let n = 0; n < 20; n++)
      expect(await failure(client().echo({ value: 1 }))).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVICE' })
    expect(performance.now() - began).toBeLessThan(10_000)
    await listen(callListener(new Map([['shelf', server]]), tokens), Number(new URL(first.url).port))
    await expect.poll(() => client().echo({ value: 2 }).catch(String)).toEqual({ value: 2 })
  })

  it('which is slow takes no longer than the caller waits', async () => {
    const { url } = await listen(() => {})
    const began = performance.now()
    expect(await failure(clientAt(url)(as('owner'), { deadline: soon() }).echo({ value: 1 }))).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    })
    expect(performance.now() - began).toBeLessThan(1_900)
  })

  it.each<[string, RequestListener]>([
    ['garbage', (_, response) => response.end('<html>')],
    ['JSON that is not what the contract says', (_, response) => response.end('{"items":"none"}')],
    ['a page of a proxy', (_, response) => response.writeHead(502).end('Bad gateway')],
    [
      'a problem with another status',
      (_, response) => response.writeHead(500).end('{"code":"NOT_FOUND","reason":"A","message":"b"}'),
    ],
    ['nothing, and hangs up', (request) => request.socket.destroy()],
    ['more than a caller can take', (_, response) => response.end(tooMuch)],
  ])('which answers %s is UNAVAILABLE, and what it said goes to the log alone', async (_, listener) => {
    const reported: string[] = []
    const { url } = await listen(listener)
    const client = clientAt(url, { onUnexpected: (_, { code }) => reported.push(code) })
    const problem = await failure(client().list({ first: 1 }))
    expect(problem).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVICE' })
    expect(problem.message).not.toMatch(/html|gateway|items/i)
    expect(reported).toEqual(['UNAVAILABLE'])
  })

  it('is asked again for what changes nothing, as a tenth of the calls, and never for what it may have done', async () => {
    let asked = 0
    const { url } = await listen((request) => {
      asked++
      request.socket.destroy()
    })
    const client = clientAt(url)
    for (let n = 0; n < 5; n++) await failure(client().burn({}))
    expect(asked).toBe(5)
    for (let n = 0; n < 10; n++) {
      await failure(client().echo({ value: n }))
      if (n === 5) await sleep(1_020) // the breaker lets one through again
    }
    expect(asked).toBeLessThanOrEqual(17)
  })

  it('has room for others when one tenant takes all that it may', async () => {
    const waiting: (() => void)[] = []
    const { server, tokens } = openShelf()
    const serve = callListener(new Map([['shelf', server]]), tokens)
    const { url } = await listen((request, response) => {
      if (waiting.length < 3) waiting.push(() => serve(request, response))
      else serve(request, response)
    })
    const client = clientAt(url, { calls: 4 })
    const slow = Array.from({ length: 3 }, () => client().echo({ value: 'slow' }))
    await expect.poll(() => waiting.length).toBe(3)
    expect(await failure(client().echo({ value: 1 }))).toMatchObject({ code: 'UNAVAILABLE', reason: 'BUSY' })
    const globex = as('owner', { tenant: acme.replace(/a$/, 'b') as typeof acme })
    expect(await client(globex).echo({ value: 2 })).toEqual({ value: 2 })
    for (const go of waiting) go()
    await Promise.all(slow)
    expect(await client().echo({ value: 3 })).toEqual({ value: 3 })
  })
})

describe('a service', () => {
  it('accepts nothing without a token that is meant for it, and reads nothing before', async () => {
    const { server, units, tokens } = openShelf()
    const { url } = await listen(callListener(new Map([['shelf', server]]), tokens))
    const post = (token: string | undefined, path = '/calls/shelf/echo') =>
      fetch(url + path, {
        method: 'POST',
        body: '{"value":1}',
        headers: { 'x-call-budget': '1000', 'x-request-id': 'r', ...(token && { authorization: `Bearer ${token}` }) },
      })
    const signed = (audience: string, deadline: number) => String(tokens.mint(as('owner'), audience, deadline))
    const good = signed('shelf', Date.now() + 1_000)
    const bad = {
      none: undefined,
      nonsense: 'x',
      forged: `${good.slice(0, -4)}AAAA`,
      'for another service': signed('desk', Date.now() + 1_000),
      expired: signed('shelf', Date.now() - 31_000),
      unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`,
    }
    for (const [kind, token] of Object.entries(bad)) {
      const response = await post(token)
      expect({ kind, status: response.status }).toEqual({ kind, status: 401 })
      expect(await response.json()).toMatchObject({ code: 'UNAUTHENTICATED' })
    }
    expect((await post(good, '/calls/vault/open')).status).toBe(401)
    expect(units.opened).toBe(0)
    expect(await (await post(good)).json()).toEqual({ value: 1 })
    expect(await (await post(signed('shelf', Date.now() - 29_000))).json()).toEqual({ value: 1 })
    expect((await post(good, '/calls/shelf/nothing')).status).toBe(404)
    expect((await fetch(`${url}/calls/shelf/echo`, { headers: { authorization: `Bearer ${good}` } })).status).toBe(404)
  })

  it('refuses what is not JSON, and what is too large', async () => {
    const { server, tokens } = openShelf()
    const { url } = await listen(callListener(new Map([['shelf', server]]), tokens))
    const authorization = `Bearer ${tokens.mint(as('owner'), 'shelf', Date.now() + 5_000)}`
    for (const [body, reason] of [
      ['{', 'BAD_REQUEST'],
      ['x'.repeat(17_000_000), 'BODY_TOO_LARGE'],
    ]) {
      const headers = { authorization, 'x-call-budget': '1000', 'x-request-id': 'r' }
      const response = await fetch(`${url}/calls/shelf/echo`, { method: 'POST', body, headers })
      expect(await response.json()).toMatchObject({ code: 'BAD_USER_INPUT', reason })
    }
  })

  it('stops when its caller is gone, and when the caller of its caller is', async () => {
    const { shelf, units } = shelfByHttp({
      echo: ({ signal }) => new Promise((_, no) => signal.addEventListener('abort', no)),
    })
    const leaving = new AbortController()
    const asked = failure(shelf(as('owner'), { signal: leaving.signal }).echo({ value: 1 }))
    await expect.poll(() => units.opened).toBe(1)
    leaving.abort()
    await asked
    await expect.poll(() => units.closed).toBe(1)
  })

  it('of an older or a newer contract serves what both know', async () => {
    const input = z.object({ value: z.unknown(), more: z.int().optional() })
    const echo = query({ action: 'book:read', input, output: input })
    const newest = defineContract('shelf', { actions: contract.actions, calls: { echo, added: echo } })
    const { server, tokens } = openShelf()
    const { url } = await listen(callListener(new Map([['shelf', server]]), tokens))
    const remote = remoteLink(url)
    closing.push(remote.close)
    const caller = { identity: as('owner'), requestId: 'r', deadline: Number.POSITIVE_INFINITY }
    const client = createClient(newest, remote.link, tokens, caller)
    expect(await client.echo({ value: 1, more: 2 })).toEqual({ value: 1 })
    expect(await failure(client.added({ value: 1 }))).toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('continues the trace of its caller', async () => {
    const recording = recordTelemetry()
    recording.reset()
    const { shelf } = shelfByHttp()
    await shelf().echo({ value: 1 })
    await expect.poll(() => recording.spans().map(({ name }) => name)).toEqual(['shelf.echo', 'call shelf.echo'])
    const [served, called] = recording.spans()
    expect(served!.parentSpanContext).toMatchObject({ spanId: called!.spanContext().spanId, isRemote: true })
  })
})

const shelfByHttp = shelfBy('over HTTP')
