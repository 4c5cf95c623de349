import { recordTelemetry } from '@offshoot/telemetry/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { notFound } from '../src/index.ts'
import { acme, as, openShelf } from './shelf.ts'

const recording = recordTelemetry()
beforeEach(() => recording.reset())

const spanNamed = (name: string) => recording.spans().find((span) => span.name === name)!
const seriesOf = async (method: string) =>
  ((await recording.metrics())['rpc.server.call.duration'] ?? [])
    .map(({ labels }) => labels)
    .filter((labels) => labels['rpc.method'] === method)

describe('a call, traced', () => {
  it('is a span with its domain and its tenant, and the parent of the calls that it makes', async () => {
    const { desk } = openShelf()
    await desk().ask({ value: 1 })
    const [echo, ask] = [spanNamed('shelf.echo'), spanNamed('desk.ask')]
    expect(ask).toMatchObject({ parentSpanContext: undefined, status: { code: 0 } })
    expect(echo.parentSpanContext?.spanId).toBe(ask.spanContext().spanId)
    expect(echo.attributes).toEqual({
      'rpc.system.name': 'offshoot',
      'rpc.method': 'shelf.echo',
      domain: 'shelf',
      'tenant.id': acme,
    })
  })

  it('tells the code of the problem that it ended with; what callers did wrong is no failure', async () => {
    const { shelf } = openShelf({ rename: () => Promise.reject(notFound('Book')) })
    await expect(shelf().rename({ id: acme, title: 'B' })).rejects.toThrow()
    expect(spanNamed('shelf.rename')).toMatchObject({
      attributes: { 'error.type': 'NOT_FOUND', 'tenant.id': acme },
      status: { code: 0 },
      events: [],
    })
  })

  it('tells what was behind an unexpected failure, which callers are not told', async () => {
    const { shelf } = openShelf({ burn: () => Promise.reject(new TypeError('out of matches')) })
    await expect(shelf().burn({})).rejects.not.toThrow(/matches/)
    expect(spanNamed('shelf.burn')).toMatchObject({
      attributes: { 'error.type': 'INTERNAL' },
      status: { code: 2, message: 'out of matches' },
      events: [{ name: 'exception', attributes: { 'exception.type': 'TypeError' } }],
    })
  })

  it('has no tenant as long as nobody has verified one', async () => {
    const { server } = openShelf()
    const forged = { token: 'forged', budget: 1_000, requestId: 'request-1' }
    await expect(server.handle('echo', {}, forged)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(spanNamed('shelf.echo').attributes).not.toHaveProperty('tenant.id')
  })
})

describe('a call, measured', () => {
  it('counts by its name, its domain, the plan of its tenant and the code that it ended with', async () => {
    const { shelf } = openShelf()
    await shelf().open({})
    await shelf(as('owner', { tenant: null, plan: null })).open({})
    await expect(shelf(as('owner', { actor: { kind: 'anonymous' } })).open({})).rejects.toThrow()
    const labels = { 'rpc.method': 'shelf.open', domain: 'shelf' }
    const series = await seriesOf('shelf.open') // those of other tests in this process as well
    expect(series).toContainEqual({ ...labels, 'tenant.plan': 'free' })
    expect(series).toContainEqual(labels)
    expect(series).toContainEqual({ ...labels, 'tenant.plan': 'free', 'error.type': 'UNAUTHENTICATED' })
  })

  it('is not even looked at when there is no such call: its name would be anybody’s', async () => {
    const { server } = openShelf()
    const headers = { token: '', budget: 1_000, requestId: 'request-1' }
    await expect(server.handle('toString', {}, headers)).rejects.toMatchObject({ reason: 'CALL_NOT_FOUND' })
    expect(recording.spans()).toEqual([])
    expect(await seriesOf('shelf.toString')).toEqual([])
  })
})
