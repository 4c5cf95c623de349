// #region with catalog, orders
/**
 * What the gateway's process takes: resident memory when it is ready, after 10,000 mixed requests, and after 10,000 more, which must
 * not add to it. The requests are of four users of two tenants, 16 at a time: queries over three domains, lists, single things,
 * mutations, mistakes, and texts that were never sent before, as a client sends that puts values into its queries.
 */
import { randomUUID } from 'node:crypto'
import type { Program } from './bench.ts'
import { type Gateway, startGateway } from './gateway.ts'

const callers = 16
const requests = 10_000
const atMost = 350
const growth = 1.05

const users = ['owner@acme.test', 'member@acme.test', 'owner@globex.test', 'both@offshoot.test']
const passwordOfDemo = 'offshoot-demo-1'

export const run: Program = async () => {
  const gateway = await startGateway()
  try {
    const ready = gateway.memory()
    const actors = await Promise.all(users.map((email) => signIn(gateway, email)))
    const first = await send(gateway, actors, requests)
    const second = await send(gateway, actors, requests)

    console.log(`Resident memory of the gateway; ${callers} callers.\n`)
    console.log(`${megabytes(ready)}  when it is ready`)
    console.log(`${megabytes(first.memory)}  after ${count(requests)} mixed requests (${count(first.perSecond)}/s)`)
    console.log(`${megabytes(second.memory)}  after ${count(requests)} more (${count(second.perSecond)}/s)`)
    console.log()
    const most = Math.max(first.memory, second.memory)
    const ratio = second.memory / first.memory
    const targets = [
      { met: most <= atMost, what: `resident memory under load: ${Math.round(most)} MB, at most ${atMost} MB` },
      { met: ratio <= growth, what: `second ÷ first ${count(requests)}: ${ratio.toFixed(3)}, at most ${growth}` },
    ]
    for (const { met, what } of targets) console.log(`${met ? 'met   ' : 'MISSED'}  ${what}`)
    return targets.every(({ met }) => met)
  } finally {
    await gateway.stop()
  }
}

const count = (value: number) => Math.round(value).toLocaleString('en')
const megabytes = (value: number) => `${Math.round(value).toString().padStart(6)} MB`

/** Who asks, and things of the tenant to ask for. */
interface Actor {
  headers: Record<string, string>
  products: string[]
  orders: string[]
}

async function signIn({ url }: Gateway, email: string): Promise<Actor> {
  const response = await fetch(`${url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: passwordOfDemo }),
  })
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${response.headers.get('set-auth-token')}`,
    'x-tenant': email.includes('globex') ? 'globex' : 'acme',
  }
  const query = '{ products(first: 100) { nodes { id } } orders(first: 50) { nodes { id } } }'
  const { data } = await post(url, headers, { query })
  const ids = (list: { nodes: { id: string }[] }) => list.nodes.map(({ id }) => id)
  return { headers, products: ids(data.products), orders: ids(data.orders) }
}

interface Request {
  query: string
  variables?: Record<string, unknown>
  headers?: Record<string, string>
}

/** The mix: each is sent as often as the others. */
const kinds: ((actor: Actor, turn: number) => Request)[] = [
  () => ({
    query: `{ me { name } orders(first: 20) { nodes { id status total { amount currency } placedBy { name }
      lines { quantity name product { id sku stock } } } pageInfo { endCursor hasNextPage } } }`,
  }),
  () => ({ query: '{ products(first: 20) { nodes { id sku name price { amount currency } stock } } }' }),
  () => ({
    query: '{ products(first: 100) { nodes { id sku name description price { amount currency } createdAt } } }',
  }),
  (_, turn) => ({
    query: 'query ($search: String) { products(search: $search) { nodes { name } } }',
    variables: { search: ['hammer', 'SKU', 'e', 'nothing has this'][turn % 4] },
  }),
  ({ products }, turn) => ({
    query: 'query ($id: ID!) { product(id: $id) { name stock } }',
    variables: { id: products[turn % products.length] },
  }),
  ({ orders }, turn) => ({
    query: 'query ($id: ID!) { order(id: $id) { status lines { name product { name } } placedBy { name } } }',
    variables: { id: orders[turn % orders.length] },
  }),
  () => ({
    query: '{ me { name memberships { role organization { slug } } } organization { name members { user { name } } } }',
  }),
  ({ products }, turn) => ({
    query: 'mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id total { amount } } }',
    variables: {
      input: { lines: [{ productId: products[turn % products.length], quantity: 1 }], idempotencyKey: randomUUID() },
    },
  }),
  ({ orders }, turn) => ({
    query: 'mutation ($id: ID!) { cancelOrder(id: $id) { status } }',
    variables: { id: orders[turn % orders.length] },
  }),
  ({ products }, turn) => ({
    query: 'mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { stock } }',
    variables: { input: { id: products[turn % products.length], stock: turn } },
  }),
  ({ products }, turn) => ({
    query: `{ a${turn}: product(id: "${products[turn % products.length]}") { name } b: product(id: "${randomUUID()}") { name } }`,
  }),
  (_, turn) => ({ query: `{ products(first: ${(turn % 90) + 1}) { nodes { nothing${turn} } } }` }),
  (_, turn) => ({ query: `{ products(first: ${turn} { nodes` }),
  () => ({
    query: 'mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id } }',
    variables: { input: { lines: [{ productId: randomUUID(), quantity: -1 }], idempotencyKey: randomUUID() } },
  }),
  () => ({ query: '{ orders { nodes { id } } }', headers: { 'x-tenant': 'nobody-s' } }),
  () => ({ query: '{ orders { nodes { id } } }', headers: { authorization: `Bearer ${randomUUID()}` } }),
]

/** Sends `total` requests, and tells what the process takes then. */
async function send(gateway: Gateway, actors: Actor[], total: number): Promise<{ memory: number; perSecond: number }> {
  const began = performance.now()
  let turn = 0
  async function caller() {
    for (let mine = turn++; mine < total; mine = turn++) {
      const actor = actors[mine % actors.length]!
      const { headers, ...request } = kinds[(mine >> 2) % kinds.length]!(actor, mine)
      await post(gateway.url, { ...actor.headers, ...headers }, request)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return { memory: gateway.memory(), perSecond: (total * 1_000) / (performance.now() - began) }
}

// biome-ignore lint/suspicious/noExplicitAny: whatever was asked for
async function post(url: string, headers: Record<string, string>, body: object): Promise<any> {
  const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) })
  return response.json()
}
