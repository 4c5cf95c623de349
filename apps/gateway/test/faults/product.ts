/** The product as it runs in production: processes of the gateway's main.ts, which are killed, and what must hold when all is over. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { migrate } from '@offshoot/data/migrate'
import { emptyDatabase, TEST_APP_SECRET, type TestDatabase } from '@offshoot/data/testing'
import { demo } from '@offshoot/host'
import { expect, vi } from 'vitest'
import { openSmtpServer, type SmtpServer } from '../../../../packages/platform/mail/test/smtp-server.ts'
import { domains } from '../../src/domains.ts'

export interface Product {
  database: Pick<TestDatabase, 'adminUrl' | 'admin'>
  mails: SmtpServer['received']
  /** The environment in which its processes run. */
  env: Record<string, string>
  /** One more process; `env` beside what all have. */
  start(env?: Record<string, string>): Promise<Process>
  /** What runs. */
  processes: Process[]
  /** A new organization, with products. */
  openShop(slug: string): Promise<Shop>
  /** Resolves once every order of these shops has ended, nothing waits, and `assertBalanced` holds. */
  settled(shops: readonly Shop[], ms?: number): Promise<void>
  stop(): Promise<void>
}

/** A process of the gateway. */
export interface Process {
  url: string
  pid: number
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Resolves when it has ended, whatever ended it. */
  ended: Promise<void>
  running(): boolean
  /** What it printed. */
  output(): string
}

export interface Shop {
  slug: string
  tenant: string
  /** The products' ids, and the stock that each began with. */
  products: Record<'plenty' | 'scarce' | 'dear', { id: string; stock: number }>
  /** Asks as the shop's owner, whichever process answers, until one does: no answer leads to the same request again. */
  ask(query: string, variables?: Record<string, unknown>): Promise<any>
  place(order: OrderToPlace): Promise<string>
  cancel(order: string): Promise<void>
  status(order: string): Promise<string>
}

export interface OrderToPlace {
  product?: keyof Shop['products']
  quantity?: number
  paymentMethod?: string
}

const program = join(import.meta.dirname, '../../src/main.ts')

export interface ProductOptions {
  /** A NATS server that carries the events. */
  nats?: { url: string }
  processes?: number
}

export async function openProduct({ nats, processes: count = 2 }: ProductOptions = {}): Promise<Product> {
  const database = await emptyDatabase()
  await migrate({ adminUrl: database.adminUrl, domains: domains.map(({ data }) => data), appSecret: TEST_APP_SECRET })
  const smtp = await openSmtpServer()
  const processes: Process[] = []
  const env = {
    DATABASE_URL: database.adminUrl,
    APP_SECRET: TEST_APP_SECRET,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    SMTP_URL: smtp.url,
    ...(nats && { NATS_URL: nats.url }),
  }

  async function start(more: Record<string, string> = {}): Promise<Process> {
    const started = await startProcess({ ...env, ...more })
    processes.push(started)
    void started.ended.then(() => processes.splice(processes.indexOf(started), 1))
    return started
  }

  /** Undefined where nobody answered: whether the request had its effect is not known then. */
  async function request(path: string, body: object, headers: Record<string, string>): Promise<Response | undefined> {
    const running = processes.filter((process) => process.running())
    const chosen = running[Math.floor(Math.random() * running.length)]
    return (
      chosen &&
      fetch(`${chosen.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(10_000),
      }).catch(() => undefined)
    )
  }

  async function signIn(email: string): Promise<string> {
    const answer = await request('/api/auth/sign-in/email', { email, password: demo.password }, {})
    return answer!.headers.get('set-auth-token')!
  }

  async function askAs(token: string, tenant: string | undefined, query: string, variables: object): Promise<any> {
    for (const end = Date.now() + 120_000; Date.now() < end; await pause(100)) {
      const headers = { authorization: `Bearer ${token}`, ...(tenant && { 'x-tenant': tenant }) }
      const answer = await request('/graphql', { query, variables }, headers)
      const { data, errors } = await (answer?.json() ?? Promise.reject()).catch(() => ({ errors: [away] }))
      if (!errors) return data
      if (errors.every((error: typeof away) => error.extensions.code in temporary)) continue
      throw new Error(`${query}: ${JSON.stringify(errors)}`)
    }
    throw new Error(`${query}: nobody answered within two minutes`)
  }

  async function openShop(slug: string): Promise<Shop> {
    const token = await signIn('owner@acme.test')
    const { createOrganization } = await askAs(
      token,
      undefined,
      'mutation ($slug: String!) { createOrganization(input: { name: $slug, slug: $slug }) { id } }',
      { slug },
    )
    const ask = (query: string, variables: object = {}) => askAs(token, slug, query, variables)
    const product = async (sku: string, stock: number, amount: string) => {
      const price = { amount, currency: 'EUR' }
      const { createProduct } = await ask(
        'mutation ($input: CreateProductInput!) { createProduct(input: $input) { id } }',
        { input: { sku, name: sku, stock, price } },
      )
      return { id: createProduct.id as string, stock }
    }
    const [[tenant], plenty, scarce, dear] = await Promise.all([
      database.admin<{ id: string }>('SELECT id FROM identity.organization WHERE slug = $1', [slug]).catch(() => []),
      product('PLENTY', 1_000_000, '12.34'),
      product('SCARCE', 7, '5.00'),
      product('DEAR', 1_000, '6666.00'),
    ])
    let counter = 0
    return {
      slug,
      tenant: tenant?.id ?? createOrganization.id,
      products: { plenty, scarce, dear },
      ask,
      async place({ product = 'plenty', quantity = 1, paymentMethod = 'pm_ok' }) {
        const productId = { plenty, scarce, dear }[product].id
        const input = { lines: [{ productId, quantity }], idempotencyKey: `${slug}-${++counter}`, paymentMethod }
        const data = await ask('mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id } }', { input })
        return data.placeOrder.id
      },
      async cancel(id) {
        await ask('mutation ($id: ID!) { cancelOrder(id: $id) { status } }', { id })
      },
      status: async (id) => (await ask('query ($id: ID!) { order(id: $id) { status } }', { id })).order.status,
    }
  }

  try {
    while (processes.length < count) await start() // the first plants the demo
  } catch (error) {
    await stop()
    throw error
  }

  async function stop(): Promise<void> {
    await Promise.all([...processes].map((process) => process.kill()))
    await smtp.close()
    await database.drop().catch(() => {}) // its server may be gone
  }

  return {
    database,
    mails: smtp.received,
    env,
    start,
    processes,
    openShop,
    settled: (shops, ms = 60_000) =>
      vi.waitFor(
        async () => {
          await assertNothingWaits(database)
          for (const shop of shops) await assertBalanced({ database, mails: smtp.received }, shop)
        },
        { timeout: ms, interval: 500 },
      ),
    stop,
  }
}

const temporary = { UNAVAILABLE: true, DEADLINE_EXCEEDED: true }
const away = { extensions: { code: 'UNAVAILABLE' } }

async function startProcess(env: Record<string, string>): Promise<Process> {
  const port = await freePort()
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [program], {
    env: { PATH, HOME, PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'], // when this process ends, it stops
  })
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      output += part
    })
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message: { url: string }) => resolve(message.url.replace('localhost', '127.0.0.1')))
    void ended.then(() => reject(new Error(`The gateway ended before it was ready: ${output}`)))
  })
  return {
    url,
    pid: child.pid!,
    kill: () => kill(child, ended),
    ended,
    running: () => child.exitCode === null && child.signalCode === null && !child.killed,
    output: () => output,
  }
}

async function kill(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGKILL')
  await ended
}

async function assertNothingWaits({ admin }: Pick<TestDatabase, 'admin'>): Promise<void> {
  const sql = domains
    .map(({ name }) => name)
    .flatMap((name) => [
      `SELECT type || ' is not published' AS waits FROM "${name}".outbox WHERE published_at IS NULL`,
      `SELECT type || ' is not handled by ${name}.' || handler || coalesce(': ' || error, '') FROM "${name}".inbox WHERE status IN ('pending', 'dead')`,
    ])
    .concat(`SELECT 'something is not delivered to ' || consumer FROM events.delivery`)
    .join(' UNION ALL ')
  const waiting = await admin<{ waits: string }>(`SELECT waits, count(*) FROM (${sql}) w GROUP BY waits`)
  expect(waiting).toEqual([])
}

/** Every order of a shop has ended, and money, stock, mails and projections are where its orders say. */
async function assertBalanced(
  { database: { admin }, mails }: Pick<Product, 'database' | 'mails'>,
  { tenant, products }: Shop,
): Promise<void> {
  const [found] = await admin<Record<string, string>>(
    `SELECT
       (SELECT count(*) FROM orders."order" WHERE tenant_id = $1 AND status NOT IN ('CONFIRMED', 'CANCELLED')) AS pending,
       (SELECT coalesce(sum(total_minor), 0) FROM orders."order" WHERE tenant_id = $1 AND status = 'CONFIRMED') AS confirmed,
       (SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount_minor ELSE -amount_minor END), 0) FROM billing.ledger_entry WHERE tenant_id = $1) AS booked,
       (SELECT coalesce(sum(amount_minor), 0) FROM billing.provider_charge WHERE tenant_id = $1 AND status = 'charged') AS charged,
       (SELECT coalesce(sum(amount_minor), 0) FROM insights.revenue_day WHERE tenant_id = $1) AS revenue,
       (SELECT count(*) FROM orders."order" o LEFT JOIN insights.order_overview v USING (tenant_id, id) WHERE tenant_id = $1 AND v.status IS DISTINCT FROM o.status) AS misprojected,
       (SELECT count(*) FROM catalog.reservation r LEFT JOIN orders."order" o USING (tenant_id, id)
         WHERE tenant_id = $1 AND (r.status = 'held') <> (o.status IS NOT DISTINCT FROM 'CONFIRMED')) AS misheld,
       (SELECT count(*) FROM orders."order" o JOIN billing.payment p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
         WHERE o.tenant_id = $1 AND (o.status = 'CONFIRMED') <> (p.status = 'CAPTURED')) AS mispaid`,
    [tenant],
  )
  const { confirmed } = found!
  expect(found).toEqual({
    pending: '0',
    confirmed,
    booked: confirmed,
    charged: confirmed,
    revenue: confirmed,
    misprojected: '0',
    misheld: '0',
    mispaid: '0',
  })

  const stocks = await admin<{ id: string; stock: number }>(
    `SELECT p.id, (p.stock + coalesce((SELECT sum(l.quantity) FROM orders.order_line l JOIN orders."order" o ON o.tenant_id = l.tenant_id AND o.id = l.order_id
       WHERE l.tenant_id = p.tenant_id AND l.product_id = p.id AND o.status = 'CONFIRMED'), 0))::int AS stock FROM catalog.product p WHERE p.tenant_id = $1`,
    [tenant],
  )
  for (const { id, stock } of Object.values(products)) expect(stocks).toContainEqual({ id, stock })

  const wrong = await admin(
    `SELECT o.id, o.status, e.template, count(e.id)::int AS mails FROM orders."order" o
       CROSS JOIN (VALUES ('order-confirmed', 'CONFIRMED'), ('order-cancelled', 'CANCELLED')) AS t(template, status)
       LEFT JOIN notifications.email e ON e.tenant_id = o.tenant_id AND e.data ->> 'orderId' = o.id::text AND e.template = t.template
     WHERE o.tenant_id = $1 GROUP BY o.id, o.status, t.status, e.template, o.tenant_id
     HAVING count(e.id) > 1 OR o.status = t.status AND count(e.id) <> 1`,
    [tenant],
  )
  expect(wrong).toEqual([])
  const emails = await admin<{ id: string; status: string }>(
    'SELECT id, status FROM notifications.email WHERE tenant_id = $1',
    [tenant],
  )
  for (const { id, status } of emails) {
    expect(status).toBe('SENT')
    const copies = mails.filter(({ headers }) => headers.get('message-id')?.startsWith(`<${id}@`))
    expect(new Set(copies.map(({ to, body }) => `${to} ${body}`)).size).toBe(1)
  }
}

/** Customers who order all the time, and cancel now and then, until they are stopped. */
export function customersOf(shops: readonly Shop[]): { stop(): Promise<void> } {
  let open = true
  async function customer(shop: Shop): Promise<void> {
    for (let n = 0; open; n++) {
      const order = await shop.place({ paymentMethod: n % 3 === 0 ? 'pm_lost_answer' : 'pm_ok' })
      await pause(Math.random() * 800)
      if (n % 4 === 0) await shop.cancel(order)
    }
  }
  const all = Promise.all([...shops, ...shops].map(customer))
  all.catch(() => {}) // whoever stops them is told
  return {
    async stop() {
      open = false
      await all
    },
  }
}

/** Resolves once `condition` holds; rejects after `ms`. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  for (const end = Date.now() + ms; !(await condition()); await pause(20)) {
    if (Date.now() > end) throw new Error(`It did not come to be within ${ms} ms: ${condition}`)
  }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
