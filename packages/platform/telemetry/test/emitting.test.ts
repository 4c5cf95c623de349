import { trace } from '@opentelemetry/api'
import { beforeEach, describe, expect, it } from 'vitest'
import { count, inSpan, observe, parentFrom, record, startSpan, traceparentOf } from '../src/index.ts'
import { recordTelemetry } from '../src/testing.ts'

const recording = recordTelemetry()
beforeEach(() => recording.reset())

describe('a span', () => {
  it('is the parent of what begins within it, and tells how it failed', async () => {
    const failed = inSpan('rpc.call', 'orders.place', { attributes: { domain: 'orders' } }, async () => {
      await inSpan('mail.send', 'send mail', {}, async () => {})
      throw new TypeError('to jane@example.com: no')
    })
    await expect(failed).rejects.toThrow(TypeError)
    const [inner, outer] = recording.spans()
    expect(inner).toMatchObject({ name: 'send mail', parentSpanContext: { spanId: outer!.spanContext().spanId } })
    expect(outer).toMatchObject({
      name: 'orders.place',
      attributes: { domain: 'orders', 'error.type': 'TypeError' },
      status: { code: 2, message: 'to [redacted]@example.com: no' },
    })
    expect(JSON.stringify(outer!.events)).not.toContain('jane@')
  })

  it('of a call that was answered with a refusal has not failed', async () => {
    const refusal = Object.assign(new Error('No such order.'), { code: 'NOT_FOUND' })
    await inSpan('rpc.call', 'orders.get', {}, () => Promise.reject(refusal)).catch(() => {})
    expect(recording.spans()[0]).toMatchObject({ attributes: { 'error.type': 'NOT_FOUND' }, status: { code: 0 } })
  })

  it('is continued elsewhere by its traceparent', async () => {
    let written: string | undefined
    await inSpan('event.create', 'create orders.OrderPlaced', {}, async () => {
      written = traceparentOf()
    })
    expect(written).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    startSpan('event.process', 'process orders.OrderPlaced', { parent: parentFrom(written) }).end()
    const [created, processed] = recording.spans()
    expect(processed!.spanContext().traceId).toBe(created!.spanContext().traceId)
    expect(processed!.parentSpanContext).toMatchObject({ spanId: created!.spanContext().spanId, isRemote: true })
  })

  it('begins a trace of its own where the traceparent is none', () => {
    const zeros = `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`
    for (const forged of [
      null,
      '',
      'x',
      '00-1-2-01',
      zeros,
      `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      'a'.repeat(1e6),
    ])
      expect(trace.getSpan(parentFrom(forged))).toBeUndefined()
  })
})

describe('a metric', () => {
  it('is counted, recorded or observed, by its labels', async () => {
    count('offshoot.event.failures', { domain: 'orders', 'offshoot.event.outcome': 'retry' })
    count('offshoot.event.failures', { domain: 'orders', 'offshoot.event.outcome': 'retry' }, 2)
    record('rpc.server.call.duration', 0.02, { 'rpc.method': 'orders.place' })
    const stop = observe(['offshoot.outbox.age'], (report) => report('offshoot.outbox.age', 3, { domain: 'orders' }))
    const measured = await recording.metrics()
    expect(measured['offshoot.event.failures']).toEqual([
      { labels: { domain: 'orders', 'offshoot.event.outcome': 'retry' }, value: 3 },
    ])
    expect(measured['rpc.server.call.duration']).toMatchObject([{ value: { count: 1, sum: 0.02 } }])
    expect(measured['offshoot.outbox.age']).toEqual([{ labels: { domain: 'orders' }, value: 3 }])
    stop()
  })

  it('has no labels but its own', () => {
    // @ts-expect-error: a tenant would be a series for each tenant
    expect(() => record('rpc.server.call.duration', 0.02, { 'tenant.id': 'acme' })).not.toThrow()
    // @ts-expect-error: is not registered
    expect(() => count('orders.placed', {})).toThrow()
  })
})
