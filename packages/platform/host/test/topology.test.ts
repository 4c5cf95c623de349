import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { appOf, hostedBy, readTopology, type Topology, together } from '../src/topology.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-topology-'))
afterAll(() => rmSync(directory, { recursive: true }))

function read(content: string) {
  const file = join(directory, 'topology.json')
  writeFileSync(file, content)
  return readTopology(file)
}
const hosted = (topology: Topology, app: string, names: string[]) =>
  hostedBy(
    topology,
    app,
    names.map((name) => ({ name })),
  ).map(({ name }) => name)
const apps = (value: object) => read(JSON.stringify({ apps: value }))

describe('the topology', () => {
  it('has everything together where there is no file', () => {
    const none = readTopology(join(directory, 'none.json'))
    expect(none).toEqual(together)
    expect(hosted(none, 'gateway', ['orders', 'billing'])).toEqual(['orders', 'billing'])
  })

  it('says which app hosts which domain; the gateway hosts the rest', () => {
    const topology = apps({ orders: { port: 4101, domains: ['orders'] } })
    expect(appOf(topology, 'orders')).toBe('orders')
    expect(appOf(topology, 'billing')).toBe('gateway')
    expect(hosted(topology, 'gateway', ['orders', 'billing'])).toEqual(['billing'])
    expect(hosted(topology, 'orders', ['orders', 'billing'])).toEqual(['orders'])
  })

  it.each([
    ['{', /topology.json is not JSON/],
    ['{"apps":{"orders":{"port":0,"domains":[]}}}', /apps.orders.port.*apps.orders.domains/],
    ['{"apps":{"../x":{"port":1,"domains":["orders"]}}}', /apps/],
    ['{"apps":{"gateway":{"port":1,"domains":["orders"]}}}', /names the gateway/],
    [
      '{"apps":{"a":{"port":1,"domains":["orders"]},"b":{"port":2,"domains":["orders"]}}}',
      /has orders twice: in a and in b/,
    ],
    ['{"apps":{},"more":1}', /more/],
  ])('refuses %s, and says why', (content, why) => {
    expect(() => read(content)).toThrow(why)
  })
})
