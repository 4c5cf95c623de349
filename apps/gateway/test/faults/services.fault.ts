// #region with catalog, orders, billing, notifications, insights
/** What a client sees of services that are in trouble, and services of each other: the product with catalog and orders apart. */
import type { RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { identityTokens } from '@offshoot/rpc'
import { TEST_APP_SECRET, tenantId, userId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type TestGateway, testGateway } from '../gateway.ts'

type Ask = Awaited<ReturnType<TestGateway['as']>>

let gateway: TestGateway
let owner: Ask
beforeAll(async () => {
  vi.stubEnv('TEST_TOPOLOGY', 'catalog,orders')
  gateway = await testGateway()
  owner = await gateway.as('owner@acme.test')
})
afterAll(async () => {
  await gateway.close()
  vi.unstubAllEnvs()
})

const everything = `{ me { name } products(first: 1) { nodes { sku } } payments(first: 1) { nodes { status } }
  orders(first: 2) { nodes { id lines { name product { sku } } } } topProducts(first: 1) { name product { sku } } }`

const json = { 'content-type': 'application/json' }
const answering =
  (status: number, body: string): RequestListener =>
  (_, response) => {
    response.writeHead(status, json).end(body)
  }

describe('a service', () => {
  const troubles: [what: string, listener: RequestListener, code: string][] = [
    ['that is killed while it answers', (request) => request.socket.destroy(), 'UNAVAILABLE'],
    [
      'that dies in the middle of its answer',
      (_, response) => {
        response.writeHead(200, { ...json, 'content-length': 100 }).write('{')
        setTimeout(() => response.destroy(), 20)
      },
      'UNAVAILABLE',
    ],
    ['that answers 500', answering(500, 'Internal Server Error'), 'UNAVAILABLE'],
    ['that answers with garbage', answering(200, '<html>'), 'UNAVAILABLE'],
    ['that answers with something else', answering(200, '{"items":7}'), 'UNAVAILABLE'],
    ['that answers with nothing', answering(204, ''), 'UNAVAILABLE'],
    [
      'that answers with more than anybody wants',
      (_, response) => {
        response.writeHead(200, json)
        const part = Buffer.alloc(1024 * 1024, 32)
        for (let sent = 0; sent <= 16 * 1024 * 1024; sent += part.length) response.write(part)
        response.end('{}')
      },
      'UNAVAILABLE',
    ],
    [
      'that takes 10 s',
      (_, response) => {
        setTimeout(() => response.end('{}'), 10_000).unref()
      },
      'DEADLINE_EXCEEDED',
    ],
  ]

  async function expectOnlyItsOwnPart(code: string) {
    const began = performance.now()
    const { status, data, errors } = await owner(everything)
    // Products come after orders, so one call may wait for another: each within its own deadline.
    expect(performance.now() - began).toBeLessThan(code === 'UNAVAILABLE' ? 1_500 : 4_000)
    expect(status).toBe(200)
    expect(data).toMatchObject({ me: { name: 'Olga Owner' }, products: null, payments: { nodes: [{}] } })
    expect(data.orders.nodes).toHaveLength(2)
    for (const { lines } of data.orders.nodes)
      for (const line of lines) expect(line).toEqual({ name: expect.any(String), product: null })
    expect(data.topProducts).toEqual([{ name: expect.any(String), product: null }])
    expect(new Set(errors!.map(({ extensions }) => extensions.code))).toEqual(new Set([code]))
    for (const { path } of errors!) expect(String(path)).toMatch(/^products$|product$/)
  }

  async function expectBack() {
    await expect.poll(async () => (await owner(everything)).errors, { timeout: 5_000 }).toBeUndefined()
  }

  it.each(troubles)('%s takes its own fields, and no others, within the deadline', async (_, listener, code) => {
    const service = gateway.apart.apps.get('catalog')!
    const { listener: good } = service
    service.serve(listener)
    await expectOnlyItsOwnPart(code)
    service.serve(good)
    await expectBack()
  })

  it('that refuses connections does so too, and is found again when it is back', async () => {
    const service = gateway.apart.apps.get('catalog')!
    await service.stop()
    await expectOnlyItsOwnPart('UNAVAILABLE')
    await service.start()
    await expectBack()
  })
})

describe('a client that goes before it has its answer', () => {
  /** Runs `work` while the row of an order cannot be changed by others. */
  async function whileLocked(id: string, work: () => Promise<void>): Promise<void> {
    const held = gateway.database.admin(
      `BEGIN; SELECT FROM orders."order" WHERE id = '${id}' FOR UPDATE; SELECT pg_sleep(1.5)`,
    )
    await sleep(100)
    await work()
    await held
  }
  const waiting = () =>
    gateway.database.admin(
      `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%order%'`,
    )

  it.each([
    ['in a service', 'catalog,orders'],
    ['in the gateway', 'none'],
  ])('ends the work that was done for it: %s', async (_, topology) => {
    vi.stubEnv('TEST_TOPOLOGY', topology)
    const asked = topology === 'none' ? await testGateway({ beside: gateway }) : gateway
    const { data } = await owner('{ orders(first: 1, status: CONFIRMED) { nodes { id } } }')
    const [{ id }] = data.orders.nodes
    const token = await asked.signIn('owner@acme.test')
    await whileLocked(id, async () => {
      const leave = new AbortController()
      const body = JSON.stringify({ query: 'mutation ($id: ID!) { cancelOrder(id: $id) { id } }', variables: { id } })
      const url = `http://127.0.0.1:${new URL(asked.url).port}/graphql`
      const headers = { ...json, authorization: `Bearer ${token}` }
      const answer = fetch(url, { method: 'POST', headers, body, signal: leave.signal })
      await expect.poll(waiting).toHaveLength(1)
      leave.abort()
      await expect(answer).rejects.toThrow()
      await expect.poll(waiting, { timeout: 500, interval: 20 }).toHaveLength(0)
    })
    const after = await owner('query ($id: ID!) { order(id: $id) { status } }', { id })
    expect(after.data.order.status).toBe('CONFIRMED')
    if (asked !== gateway) await asked.close()
  })
})

describe('a service believes', () => {
  const acme = (role = 'owner') => ({
    actor: { kind: 'user', id: userId('owner@acme.test'), operator: false },
    tenant: tenantId('acme'),
    role,
    scopes: null,
    plan: null,
  })
  const later = (ms = 2_000) => Date.now() + ms
  /** Lists catalog's products at the service itself, as whoever the token says. */
  async function list(token?: string, body: object = { first: 1 }) {
    const response = await fetch(`${gateway.apart.apps.get('catalog')!.url}/calls/catalog/list`, {
      method: 'POST',
      headers: {
        ...json,
        'x-call-budget': '1000',
        'x-request-id': 'spoof-0001',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as any }
  }
  const ours = identityTokens(TEST_APP_SECRET)
  const mint = (identity: object, audience = 'catalog', until = later()) =>
    String(ours.mint(identity as never, audience, until))
  const refused = { status: 401, body: { code: 'UNAUTHENTICATED', reason: 'BAD_INTERNAL_TOKEN' } }

  it('a token of ours that is meant for it, and nothing else', async () => {
    expect(await list(mint(acme()))).toMatchObject({ status: 200, body: { items: [{ sku: expect.any(String) }] } })
    expect(await list()).toMatchObject(refused)
    expect(await list(await gateway.signIn('owner@acme.test'))).toMatchObject(refused)
    expect(await list(mint(acme(), 'orders'))).toMatchObject(refused)
    const forger = identityTokens('another-secret-of-at-least-32-characters')
    expect(await list(String(forger.mint(acme() as never, 'catalog', later())))).toMatchObject(refused)
    const [claims, signature] = mint(acme()).split('.') as [string, string]
    const forged = Buffer.from(claims, 'base64url').toString().replace(tenantId('acme'), tenantId('globex'))
    expect(await list(`${Buffer.from(forged).toString('base64url')}.${signature}`)).toMatchObject(refused)
  })

  it('the tenant of the token, whatever the input says', async () => {
    const globex = await list(mint({ ...acme(), tenant: tenantId('globex') }))
    expect(globex.body.items[0].price.currency).toBe('USD')
    const spoofed = await list(mint(acme()), { first: 1, tenant: tenantId('globex'), tenantId: tenantId('globex') })
    expect([spoofed.status, spoofed.body.items?.[0].price.currency ?? 'EUR']).toContain('EUR')
  })

  it('clocks that differ by 30 s, and none that differ by more', async () => {
    expect(await list(mint(acme(), 'catalog', later(-28_000)))).toMatchObject({ status: 200 })
    expect(await list(mint(acme(), 'catalog', later(32_000)))).toMatchObject({ status: 200 })
    expect(await list(mint(acme(), 'catalog', later(-31_000)))).toMatchObject(refused)
  })

  it('nobody who asks for the routes that it has behind the gateway', async () => {
    const { status } = await fetch(`${gateway.apart.apps.get('catalog')!.url}/graphql`, { method: 'POST' })
    expect(status).toBe(404)
  })
})

it('domains come and go under load, and no request fails', async () => {
  vi.stubEnv('TEST_TOPOLOGY', 'catalog,orders')
  const moving = await testGateway({ undivided: true })
  try {
    const { apps, divide } = moving.apart
    const served = new Map<string, number>()
    for (const [name, app] of apps) {
      const { listener } = app
      app.serve((request, response) => {
        if (request.url?.startsWith('/calls/')) served.set(name, (served.get(name) ?? 0) + 1)
        listener(request, response)
      })
    }
    const ask = await moving.as('owner@acme.test')
    let over = false
    let asked = 0
    const failures: unknown[] = []
    const worker = async () => {
      while (!over) {
        const { status, errors } = await ask('{ orders(first: 2) { nodes { id lines { product { sku } } } } }')
        asked++
        if (status !== 200 || errors) failures.push(errors ?? status)
      }
    }
    const workers = Array.from({ length: 8 }, worker)
    /** Waits until calls arrive at these services, or no longer do. */
    async function arrived(...names: string[]) {
      await expect
        .poll(
          async () => {
            served.clear()
            await sleep(60)
            return [...served.keys()].sort()
          },
          { timeout: 5_000 },
        )
        .toEqual(names)
    }
    await arrived()
    for (let round = 0; round < 2; round++) {
      divide(['orders'])
      await arrived('orders')
      divide(['catalog', 'orders'])
      await arrived('catalog', 'orders')
      divide(['orders'])
      await arrived('orders')
      await apps.get('catalog')!.stop()
      divide(['catalog', 'orders']) // holds once catalog is there
      await sleep(150)
      await apps.get('catalog')!.start()
      await arrived('catalog', 'orders')
      divide([])
      await arrived()
    }
    over = true
    await Promise.all(workers)
    expect(failures).toEqual([])
    expect(asked).toBeGreaterThan(20) // on a machine that is busy with other tests
  } finally {
    await moving.close()
  }
})
