import { once } from 'node:events'
import { RecentTraces } from '@offshoot/telemetry/recent-traces'
import { ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { devTraces } from '../src/dev-traces.ts'

const traces = new RecentTraces()
const tracer = new TracerProvider({ spanProcessors: [traces] }).getTracer('test')
const begin = (name: string, attributes = {}, parent?: Span, startTime?: number) =>
  tracer.startSpan(name, { attributes, startTime }, parent ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT)

const request = begin('POST /graphql', { 'tenant.id': 'acme' })
begin('orders.place', { domain: 'orders', note: '<script>alert(1)</script>' }, request).end()
request.end()
const later = Date.now() + 60_000
begin('process orders.OrderPlaced', { domain: 'catalog' }, request, later).end(later + 5)
const { traceId } = request.spanContext()
begin('<img src=x onerror=alert(1)>', { 'tenant.id': '"><b>' }).end()

const app = express().use(devTraces(traces))
async function get(path: string, accept = 'text/html') {
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as { port: number }
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { accept } })
    return { status: response.status, text: await response.text() }
  } finally {
    server.close()
  }
}

describe('/dev/traces', () => {
  it('lists traces, and takes nothing that stands in them for markup', async () => {
    const { text } = await get('/dev/traces')
    expect(text).toContain(`<a href="/dev/traces/${traceId}">POST /graphql</a>`)
    expect(text).toContain('>orders</b>')
    expect(text).not.toMatch(/<img|"><b>/)
  })

  it('finds them by operation, tenant and failure', async () => {
    const names = async (query: string) =>
      (JSON.parse((await get(`/dev/traces?${query}`, 'application/json')).text) as { id: string }[]).map(({ id }) => id)
    expect(await names('operation=ORDERPLACED')).toEqual([traceId])
    expect(await names('tenant=acme')).toEqual([traceId])
    expect(await names('failed=1')).toEqual([])
    expect(await names('operation=a&operation=b')).toHaveLength(2)
  })

  it('shows a trace with what happened a minute later beside it, and not the minute', async () => {
    const { text } = await get(`/dev/traces/${traceId}`)
    expect(text).toContain('process orders.OrderPlaced')
    expect(text).toMatch(/title="60.0 s in which nothing happened"/)
    expect(text).toContain('&#60;script&#62;alert(1)')
    const bars = [...text.matchAll(/margin-left:([\d.]+)%;width:([\d.]+)%/g)].map(
      ([, from, width]) => Number(from) + Number(width),
    )
    expect(bars).toHaveLength(3)
    for (const end of bars) expect(end).toBeLessThanOrEqual(100.1)
  })

  it('says when there is no such trace', async () => {
    for (const id of ['0'.repeat(32), '<script>', '%00'])
      expect(await get(`/dev/traces/${encodeURIComponent(id)}`)).toMatchObject({
        status: 404,
        text: expect.stringContaining('no such trace'),
      })
    expect((await get('/dev/traces/none', 'application/json')).text).toContain('TRACE_NOT_FOUND')
  })
})
