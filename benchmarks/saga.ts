// #region with catalog, orders, billing
/** How soon a placed order is confirmed: the gateway as `npm start` starts it, one customer, one order after the other. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { startGateway } from './gateway.ts'

const orders = 30
/** Orders that are not counted: the first ones wait for code to be compiled and connections to be opened. */
const before = 5

/** From sending `placeOrder` until the order is read as CONFIRMED, in ms, of each order. */
export async function timesToConfirm(): Promise<number[]> {
  const { url, stop } = await startGateway()
  try {
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    const post = (path: string, body: object) =>
      fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const signedIn = await post('/api/auth/sign-in/email', { email: 'member@acme.test', password: 'offshoot-demo-1' })
    headers.authorization = `Bearer ${signedIn.headers.get('set-auth-token')}`
    const ask = async (query: string, variables?: object): Promise<any> => {
      const { data, errors } = await (await post('/graphql', { query, variables })).json()
      if (errors) throw new Error(JSON.stringify(errors))
      return data
    }

    const { products } = await ask('{ products(first: 100) { nodes { id stock } } }')
    const plenty = products.nodes.find(({ stock }: { stock: number }) => stock >= orders + before)
    const times: number[] = []
    for (let turn = 0; turn < before + orders; turn++) {
      const began = performance.now()
      const { placeOrder } = await ask(
        'mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id status } }',
        { input: { lines: [{ productId: plenty.id, quantity: 1 }], idempotencyKey: randomUUID() } },
      )
      let { status } = placeOrder
      while (status === 'PENDING') {
        await sleep(3)
        status = (await ask('query ($id: ID!) { order(id: $id) { status } }', { id: placeOrder.id })).order.status
      }
      if (status !== 'CONFIRMED') throw new Error(`The order is ${status}.`)
      if (turn >= before) times.push(performance.now() - began)
      await sleep(Math.random() * 20)
    }
    return times
  } finally {
    await stop()
  }
}
