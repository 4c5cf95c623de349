import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, afterEach, expect, it } from 'vitest'
import { recordedSpan, traceparentOf } from '../src/index.ts'
import { recordTelemetry } from '../src/testing.ts'

const recording = recordTelemetry()
recording.instrument()
let answer: RequestListener = (_, response) => response.end('ok')
const server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
afterEach(() => recording.reset())
afterAll(() => {
  recording.stop()
  server.close()
})

/** Sends a request as it is, and resolves when its span has ended. */
async function send(...lines: string[]) {
  const socket = connect(port, '127.0.0.1').resume()
  socket.write([...lines, 'Connection: close', '', ''].join('\r\n'))
  await once(socket, 'close')
  await expect.poll(() => recording.spans(), { interval: 5 }).toHaveLength(1)
  return recording.spans()[0]!
}

it('a request is a span, which tells no address, query, agent or secret', async () => {
  const span = await send(
    'GET /api/auth/reset-password/CANARY?token=CANARY HTTP/1.1',
    'Host: shop.test:8080',
    'User-Agent: CANARY',
    'X-Forwarded-For: CANARY',
    'Authorization: Bearer CANARY',
  )
  expect(span).toMatchObject({ name: 'GET', kind: 1, status: { code: 0 } })
  expect(span.attributes).toEqual({
    'http.request.method': 'GET',
    'url.scheme': 'http',
    'url.path': '/api/auth/reset-password/:token',
    'server.address': 'shop.test',
    'server.port': 8080,
    'network.protocol.version': '1.1',
    'http.response.status_code': 200,
  })
})

it.each([
  ['without a host', 'GET / HTTP/1.0', {}],
  ['to an address of IPv6', 'GET / HTTP/1.1\r\nHost: [::1]:80', { 'server.address': '[::1]', 'server.port': 80 }],
  ['to no port', 'GET / HTTP/1.1\r\nHost: shop.test', { 'server.address': 'shop.test' }],
  ['to a strange host', 'GET / HTTP/1.1\r\nHost: a:b:123456', { 'server.address': 'a:b:123456' }],
  ['through a proxy', 'GET http://me:CANARY@shop.test/x HTTP/1.1\r\nHost: shop.test', { 'url.path': '/x' }],
  ['to everything', 'OPTIONS * HTTP/1.1\r\nHost: shop.test', { 'url.path': '*' }],
  ['by a method of its own', 'PURGE / HTTP/1.1\r\nHost: shop.test', { 'http.request.method': '_OTHER' }],
  ['to a long path', `GET /${'x'.repeat(9_000)} HTTP/1.1\r\nHost: s`, { 'url.path': `/${'x'.repeat(499)}` }],
])('a request %s has a span too', async (_, line, attributes) => {
  expect((await send(line)).attributes).toMatchObject(attributes)
})

it('what it begins is part of it, whatever trace it says that it belongs to', async () => {
  const outside = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
  let inside: string | undefined
  answer = async (_, response) => {
    await new Promise(setImmediate)
    inside = traceparentOf(recordedSpan())
    response.end()
  }
  const span = await send('GET / HTTP/1.1', 'Host: shop.test', `traceparent: ${outside}`)
  expect(inside).toContain(span.spanContext().spanId)
  expect(inside).not.toContain('ab'.repeat(16))
  expect(span.parentSpanContext).toBeUndefined()
})

it('an answer of 5xx is a failure, and one of 4xx is not; a client that goes before it has one ends its span', async () => {
  for (const [status, code] of [
    [503, 2],
    [404, 0],
  ] as const) {
    answer = (_, response) => response.writeHead(status).end()
    const span = await send('GET / HTTP/1.1', 'Host: shop.test')
    expect(span.status.code).toBe(code)
    expect(span.attributes['error.type']).toBe(code ? String(status) : undefined)
    recording.reset()
  }
  answer = (request) => request.socket.destroy()
  expect(await send('GET / HTTP/1.1', 'Host: shop.test')).toMatchObject({ name: 'GET', ended: true })
})

it('those who route and restart, and calls between apps, have no span', async () => {
  answer = (_, response) => response.end()
  for (const path of ['/livez', '/readyz', '/metrics', '/calls/orders/place', '/counted'])
    await fetch(`http://127.0.0.1:${port}${path}`)
  await expect.poll(() => recording.spans().map(({ attributes }) => attributes['url.path'])).toEqual(['/counted'])
})
