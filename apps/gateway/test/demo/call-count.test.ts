// #region with catalog, orders, billing, insights
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../gateway.ts'

const recording = recordTelemetry()
let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(async () => {
  await gateway.close()
  recording.stop()
})

/** The calls of a query to domains, as they are served, wherever that is. */
async function callsOf(query: string, variables: Record<string, unknown>): Promise<Record<string, number>> {
  const ask = await gateway.as('owner@acme.test')
  recording.reset()
  const { data, errors } = await ask(query, variables)
  expect(errors).toBeUndefined()
  expect(data.orders.nodes).toHaveLength(variables.first as number)
  const served = recording.spans().filter(({ name, attributes }) => attributes['rpc.method'] === name)
  return Object.fromEntries([...Map.groupBy(served, ({ name }) => name)].map(([name, spans]) => [name, spans.length]))
}

describe('the calls of a query', () => {
  it('are one to each domain and level, and never one for each row', async () => {
    const query = `query ($first: Int) { orders(first: $first) {
      nodes { id total { amount } placedBy { name } payment { status order { status } } lines { quantity product { name sales { unitsSold } } } }
    } }`
    for (const first of [2, 20]) {
      expect(await callsOf(query, { first })).toEqual({
        'identity.resolveActor': 1,
        'orders.list': 1,
        'identity.usersByIds': 1,
        'billing.getByOrder': 1,
        'catalog.getMany': 1,
        'insights.salesOfProducts': 1,
        'orders.getMany': 1,
      })
    }
  })
})
