import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { flagRegistry, startFlags } from '@offshoot/flags/runtime'
import { health } from '@offshoot/host'
import express from 'express'
import { describe, expect, it } from 'vitest'

/** What `/readyz` says while the databases are in these states and the Unleash server is there or not. */
async function readiness(databases: Record<string, 'up' | 'down'>, unleash: string | undefined) {
  const server = unleash === undefined ? undefined : { url: unleash, token: 'a token' }
  const log = { info() {}, warn() {} }
  const flags = startFlags({ registry: flagRegistry([]), server, environment: 'test', log })
  const listener = express()
    .use(health({ health: async () => databases, eventsHealth: async () => undefined }, flags))
    .listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const ask = async () => {
    const response = await fetch(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/readyz`)
    return { status: response.status, body: await response.json() }
  }
  if (unleash) await expect.poll(() => flags.health().reason).not.toBe('does not answer')
  const answer = await ask()
  flags.stop()
  listener.closeAllConnections()
  listener.close()
  return answer
}

describe('readiness', () => {
  it('does not speak of flags where no server switches them', async () => {
    expect(await readiness({ orders: 'up' }, undefined)).toEqual({
      status: 200,
      body: { status: 'ready', dependencies: { 'database:orders': 'up' } },
    })
  })

  it('is degraded, and not lost, while the server that switches flags is away', async () => {
    expect(await readiness({ orders: 'up' }, 'http://127.0.0.1:9/api')).toEqual({
      status: 200,
      body: { status: 'ready', dependencies: { 'database:orders': 'up', flags: 'degraded' } },
    })
    expect(await readiness({ orders: 'down' }, 'http://127.0.0.1:9/api')).toMatchObject({ status: 503 })
  })

  it('is whole when it answers', async () => {
    const unleash = createServer((_, response) => void response.end('{"version":2,"features":[]}')).listen(
      0,
      '127.0.0.1',
    )
    await once(unleash, 'listening')
    const { body } = await readiness({}, `http://127.0.0.1:${(unleash.address() as AddressInfo).port}/api`)
    unleash.closeAllConnections()
    unleash.close()
    expect(body).toEqual({ status: 'ready', dependencies: { flags: 'up' } })
  })
})
