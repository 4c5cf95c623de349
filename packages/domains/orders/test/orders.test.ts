import { catalogDomain } from '@offshoot/catalog'
import { catalog, type Product, type ProductId } from '@offshoot/catalog/contract'
import type { Client, InputOf } from '@offshoot/rpc'
import { bothSides, type TestApp, tenantId, testApp, userId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Order, type OrderId, orders } from '../src/contract.ts'
import { ordersDomain } from '../src/domain.ts'
import { mergedLines } from '../src/flags.ts'

let app: TestApp
let products: Client<typeof catalog>
let desk: Client<typeof orders>
let otherDesk: Client<typeof orders>

beforeAll(async () => {
  app = await testApp([catalogDomain, ordersDomain], { events: false })
  products = app.client(catalog, { tenant: 'acme' })
  desk = app.client(orders, { tenant: 'acme' })
  otherDesk = app.client(orders, { tenant: 'globex' })
})
afterAll(() => app.stop())

let counter = 0
const newKey = () => `key-${++counter}`
const newProduct = (minor = 250, currency = 'EUR', shop = products): Promise<Product> =>
  shop.create({ sku: `SKU-${++counter}`, name: `Product ${counter}`, price: { minor, currency }, stock: 10 })

type Request = InputOf<typeof orders.calls.place>
const request = (lines: [Pick<Product, 'id'>, number][], change: Partial<Request> = {}): Request => ({
  lines: lines.map(([{ id }, quantity]) => ({ productId: id, quantity })),
  idempotencyKey: newKey(),
  ...change,
})
const countOf = async (table: 'order' | 'order_line') =>
  Number((await app.database.admin<{ count: string }>(`select count(*) from orders."${table}"`))[0]!.count)

const invalid = { code: 'BAD_USER_INPUT', reason: 'INVALID_INPUT' }
const neverExisted = '019b76da-a800-7000-8000-000000000000'

describe('placing an order', () => {
  it('sells at the prices of this moment', async () => {
    const [pen, ink] = [await newProduct(250), await newProduct(1999)]
    const order = await desk.place(
      request(
        [
          [ink, 2],
          [pen, 10],
        ],
        { paymentMethod: 'pm_ok' },
      ),
    )
    expect(order).toEqual({
      id: expect.any(String),
      status: 'PENDING',
      lines: [
        { productId: ink.id, sku: ink.sku, name: ink.name, quantity: 2, unitPrice: ink.price },
        { productId: pen.id, sku: pen.sku, name: pen.name, quantity: 10, unitPrice: pen.price },
      ],
      total: { minor: 2 * 1999 + 10 * 250, currency: 'EUR' },
      placedBy: userId('owner@acme.test'),
      cancelReason: null,
      createdAt: expect.any(String),
    })
    expect(await desk.getMany({ ids: [order.id] })).toEqual([order])
  })

  it('keeps what was sold, whatever becomes of the product', async () => {
    const product = await newProduct()
    const order = await desk.place(request([[product, 1]]))
    await products.update({
      id: product.id,
      sku: `${product.sku}-new`,
      name: 'Renamed',
      price: { minor: 9, currency: 'USD' },
    })
    await products.archive({ id: product.id })
    expect(await desk.getMany({ ids: [order.id] })).toEqual([order])
  })

  it('is for members too, and for an API key in the name of its maker', async () => {
    const product = await newProduct()
    const member = app.client(orders, { tenant: 'acme', role: 'member' })
    expect(await member.place(request([[product, 1]]))).toMatchObject({ placedBy: userId('member@acme.test') })
    const actor = { kind: 'key', id: neverExisted as never, user: userId('owner@acme.test') } as const
    const key = (scopes: string[]) =>
      app.client(orders, { identity: { actor, tenant: tenantId('acme'), plan: 'free', role: 'owner', scopes } })
    expect(await key(['order:place', 'product:read']).place(request([[product, 1]]))).toMatchObject({
      placedBy: userId('owner@acme.test'),
    })
    await expect(key(['order:place']).place(request([[product, 1]]))).rejects.toMatchObject({
      code: 'FORBIDDEN',
      reason: 'SCOPE_REQUIRED',
    })
    await expect(key(['product:read']).place(request([[product, 1]]))).rejects.toMatchObject({
      code: 'FORBIDDEN',
      reason: 'SCOPE_REQUIRED',
    })
  })

  it('reads catalog once and asks the database as often for a hundred lines as for one', async () => {
    const many: Product[] = []
    while (many.length < 100) many.push(...(await Promise.all(Array.from({ length: 20 }, () => newProduct()))))
    for (const lines of [many.slice(0, 1), many]) {
      app.statements.length = 0
      await desk.place(request(lines.map((product) => [product, 1])))
      expect(app.statements.map(({ sql }) => /^\w+/.exec(sql)![0])).toEqual([
        'SELECT',
        'SELECT',
        'BEGIN',
        'INSERT',
        'INSERT',
        'select', // the event
        'COMMIT',
      ])
    }
  })

  it('names the tenant in every statement', async () => {
    const product = await newProduct()
    app.statements.length = 0
    const { id } = await desk.place(request([[product, 1]]))
    await desk.cancel({ id })
    await desk.list({ first: 5, status: 'CANCELLED' })
    for (const { sql, tenant } of app.statements) {
      expect(tenant).toBe(tenantId('acme'))
      if (!/^(BEGIN|COMMIT|select "orders"\.emit.*)$/.test(sql)) expect(sql).toContain('tenant_id')
    }
  })

  it.each([0, -1, 1.5, 10_001, 2 ** 31, 2 ** 53, Number.NaN, '1'])('refuses a quantity of %s', async (quantity) => {
    const place = desk.place(request([[{ id: neverExisted as ProductId }, quantity as number]]))
    await (Number.isNaN(quantity) ? expect(place).rejects.toThrow() : expect(place).rejects.toMatchObject(invalid))
  })

  it('refuses no line and more than a hundred', async () => {
    const product = await newProduct()
    await expect(desk.place(request([]))).rejects.toMatchObject(invalid)
    await expect(desk.place(request(Array.from({ length: 101 }, () => [product, 1])))).rejects.toMatchObject(invalid)
  })

  it.each<[string, Record<string, unknown>]>([
    ['no idempotency key', { idempotencyKey: undefined }],
    ['a blank one', { idempotencyKey: ' ' }],
    ['one of 10 MB', { idempotencyKey: 'x'.repeat(10_000_000) }],
    ['one with NUL', { idempotencyKey: 'a\0b' }],
    ['half a character in it', { idempotencyKey: 'a\ud83d' }],
    ['a payment method of 10 MB', { paymentMethod: 'x'.repeat(10_000_000) }],
    ['a payment method with NUL', { paymentMethod: '\0' }],
  ])('refuses %s', async (_, change) => {
    await expect(desk.place(request([[{ id: neverExisted as ProductId }, 1]], change))).rejects.toMatchObject(invalid)
  })

  it('takes any other text as a key', async () => {
    const product = await newProduct()
    for (const key of [`'; drop table orders."order"; --`, '__proto__', 'Schlüssel 🔑', '%_\\']) {
      const input = request([[product, 1]], { idempotencyKey: key })
      expect(await desk.place(input)).toEqual(await desk.place(input))
    }
  })

  it('refuses an archived product', async () => {
    const [pen, old] = [await newProduct(), await newProduct()]
    await products.archive({ id: old.id })
    await expect(
      desk.place(
        request([
          [pen, 1],
          [old, 1],
        ]),
      ),
    ).rejects.toMatchObject({ code: 'CONFLICT', reason: 'PRODUCT_ARCHIVED', data: { line: 1 } })
  })

  it('refuses several currencies', async () => {
    const [euro, dollar] = [await newProduct(1, 'EUR'), await newProduct(1, 'USD')]
    await expect(
      desk.place(
        request([
          [euro, 1],
          [dollar, 1],
        ]),
      ),
    ).rejects.toMatchObject({ code: 'BAD_USER_INPUT', reason: 'SEVERAL_CURRENCIES' })
  })

  it('adds up exactly, to the largest amount that a contract can carry, and refuses more', async () => {
    const [dear, cheap] = [await newProduct(Number.MAX_SAFE_INTEGER - 1), await newProduct(1)]
    expect(
      (
        await desk.place(
          request([
            [dear, 1],
            [cheap, 1],
          ]),
        )
      ).total.minor,
    ).toBe(Number.MAX_SAFE_INTEGER)
    const tooMuch = { code: 'BAD_USER_INPUT', reason: 'TOTAL_TOO_LARGE' }
    await expect(
      desk.place(
        request([
          [dear, 1],
          [cheap, 2],
        ]),
      ),
    ).rejects.toMatchObject(tooMuch)
    await expect(desk.place(request([[dear, 10_000]]))).rejects.toMatchObject(tooMuch)
  })

  it('writes nothing when it is refused', async () => {
    const before = [await countOf('order'), await countOf('order_line')]
    const [pen, dollar] = [await newProduct(), await newProduct(1, 'USD')]
    await expect(
      desk.place(
        request([
          [pen, 1],
          [dollar, 1],
        ]),
      ),
    ).rejects.toThrow()
    await expect(
      desk.place(
        request([
          [pen, 1],
          [{ id: neverExisted as ProductId }, 1],
        ]),
      ),
    ).rejects.toThrow()
    expect([await countOf('order'), await countOf('order_line')]).toEqual(before)
  })
})

describe.each(bothSides(mergedLines))('a product on several lines, $side', ({ on }) => {
  beforeAll(() => app.flags.set(mergedLines, on))
  afterAll(() => app.flags.set(mergedLines, mergedLines.default))

  const twice = async (quantities: [number, number] = [1, 2]) => {
    const [pen, ink] = [await newProduct(250), await newProduct(1_000)]
    const shouting = { id: pen.id.toUpperCase() as ProductId }
    const lines: [Pick<Product, 'id'>, number][] = [
      [pen, quantities[0]],
      [ink, 1],
      [shouting, quantities[1]],
    ]
    return { pen, ink, lines }
  }

  it(on ? 'is ordered in the sum of their quantities' : 'is refused', async () => {
    const { pen, ink, lines } = await twice()
    const placed = desk.place(request(lines))
    if (on)
      expect(await placed).toMatchObject({
        lines: [
          { productId: pen.id, quantity: 3 },
          { productId: ink.id, quantity: 1 },
        ],
        total: { minor: 3 * 250 + 1_000 },
      })
    else
      await expect(placed).rejects.toMatchObject({
        ...invalid,
        message: 'lines: must name each product once',
        data: { issues: [{ path: 'lines', message: 'must name each product once' }] },
      })
  })

  it('is refused when it is more than one line could ask for', async () => {
    const { lines } = await twice([10_000, 1])
    await expect(desk.place(request(lines))).rejects.toMatchObject(invalid)
  })

  it('makes no difference to a request that names each product once', async () => {
    const { lines } = await twice()
    expect((await desk.place(request(lines.slice(0, 2)))).lines).toHaveLength(2)
  })
})

describe('switching merged lines', () => {
  afterAll(() => app.flags.set(mergedLines, mergedLines.default))

  it('changes what the next request gets, for the tenants that it is on for', async () => {
    const product = await newProduct()
    const theirs = await newProduct(1, 'EUR', app.client(catalog, { tenant: 'globex' }))
    const place = (shop: typeof desk, { id }: Product) =>
      shop
        .place(
          request([
            [{ id }, 1],
            [{ id }, 1],
          ]),
        )
        .then(
          ({ lines }) => lines[0]!.quantity,
          ({ reason }) => reason,
        )
    expect([await place(desk, product), await place(otherDesk, theirs)]).toEqual(['INVALID_INPUT', 'INVALID_INPUT'])
    const forAcme = {
      name: 'default',
      parameters: {},
      constraints: [{ contextName: 'tenant', operator: 'IN', values: [tenantId('acme')] }],
    }
    app.flags.set(mergedLines, [forAcme])
    expect([await place(desk, product), await place(otherDesk, theirs)]).toEqual([2, 'INVALID_INPUT'])
    app.flags.set(mergedLines, false)
    expect([await place(desk, product), await place(otherDesk, theirs)]).toEqual(['INVALID_INPUT', 'INVALID_INPUT'])
  })

  it('does not take away what a key was answered with', async () => {
    const product = await newProduct()
    const input = request([
      [product, 1],
      [product, 4],
    ])
    app.flags.set(mergedLines, true)
    const order = await desk.place(input)
    app.flags.set(mergedLines, false)
    expect(await desk.place(input)).toEqual(order)
    const merged = { ...input, lines: [{ productId: product.id, quantity: 5 }] }
    expect(await desk.place(merged)).toEqual(order)
  })
})

describe('an idempotency key', () => {
  it('answers with the same order however often it is sent, though the price has changed and the product is gone', async () => {
    const product = await newProduct()
    const input = request([[product, 3]], { paymentMethod: 'pm_ok' })
    const order = await desk.place(input)
    await products.update({ id: product.id, price: { minor: 1, currency: 'USD' } })
    await products.archive({ id: product.id })
    app.statements.length = 0
    expect(await desk.place(input)).toEqual(order)
    expect(app.statements).toHaveLength(2)
  })

  it('does not mind the order of the lines', async () => {
    const [a, b] = [await newProduct(), await newProduct()]
    const input = request([
      [a, 1],
      [b, 2],
    ])
    expect(await desk.place({ ...input, lines: input.lines.toReversed() })).toEqual(await desk.place(input))
  })

  it('is refused for anything else', async () => {
    const [a, b] = [await newProduct(), await newProduct()]
    const input = request([[a, 1]])
    const order = await desk.place(input)
    const others: Request[] = [
      { ...input, lines: [{ productId: a.id, quantity: 2 }] },
      { ...input, lines: [{ productId: b.id, quantity: 1 }] },
      { ...input, lines: [...input.lines, { productId: b.id, quantity: 1 }] },
      { ...input, paymentMethod: 'pm_ok' },
    ]
    for (const other of others) {
      await expect(desk.place(other)).rejects.toMatchObject({ code: 'CONFLICT', reason: 'IDEMPOTENCY_KEY_REUSED' })
    }
    expect(await desk.getMany({ ids: [order.id] })).toEqual([order])
  })

  it('makes one order when it is sent 20 times at once', async () => {
    const [a, b] = [await newProduct(), await newProduct()]
    const before = [await countOf('order'), await countOf('order_line')]
    const input = request([
      [a, 1],
      [b, 2],
    ])
    const answers = await Promise.all(Array.from({ length: 20 }, () => desk.place(input)))
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect([await countOf('order'), await countOf('order_line')]).toEqual([before[0]! + 1, before[1]! + 2])
  })

  it('makes one order of two that differ at the same moment, and refuses the rest', async () => {
    const product = await newProduct()
    const input = request([[product, 1]])
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) =>
        desk.place({ ...input, lines: [{ productId: product.id, quantity: 1 + (i % 2) }] }),
      ),
    )
    const placed = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value)
    expect(new Set(placed.map(({ id }) => id)).size).toBe(1)
    expect(placed.length).toBe(5)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: 'CONFLICT', reason: 'IDEMPOTENCY_KEY_REUSED' })
    }
  })

  it('of one tenant means nothing to another', async () => {
    const idempotencyKey = newKey()
    const theirs = await newProduct(1, 'EUR', app.client(catalog, { tenant: 'globex' }))
    const mine = await desk.place(request([[await newProduct(), 1]], { idempotencyKey }))
    const other = await otherDesk.place(request([[theirs, 1]], { idempotencyKey }))
    expect(other.id).not.toBe(mine.id)
  })
})

describe('cancelling an order', () => {
  const placed = async () => desk.place(request([[await newProduct(), 1]]))

  it('leaves everything else as it was; again it changes nothing', async () => {
    const order = await placed()
    const cancelled: Order = { ...order, status: 'CANCELLED', cancelReason: 'customer' }
    expect(await desk.cancel({ id: order.id })).toEqual(cancelled)
    expect(await desk.cancel({ id: order.id })).toEqual(cancelled)
    expect(await desk.getMany({ ids: [order.id] })).toEqual([cancelled])
  })

  it('meets itself at the row: of ten at once, one changes the order and all have the same answer', async () => {
    const { id } = await placed()
    app.statements.length = 0
    const answers = await Promise.all(Array.from({ length: 10 }, () => desk.cancel({ id })))
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(app.statements.filter(({ sql }) => sql.startsWith('UPDATE'))).toHaveLength(1)
  })

  it('is possible once the order is confirmed, too', async () => {
    const { id } = await placed()
    await app.database.admin(`update orders."order" set status = 'CONFIRMED' where id = $1`, [id])
    expect(await desk.cancel({ id })).toMatchObject({ status: 'CANCELLED', cancelReason: 'customer' })
  })

  it('leaves the reason of an order that was cancelled before', async () => {
    const { id } = await placed()
    await app.database.admin(
      `update orders."order" set status = 'CANCELLED', cancel_reason = 'out-of-stock' where id = $1`,
      [id],
    )
    expect(await desk.cancel({ id })).toMatchObject({ cancelReason: 'out-of-stock' })
  })

  it('answers a repeated placement with the order as it is now', async () => {
    const input = request([[await newProduct(), 1]])
    const { id } = await desk.place(input)
    const cancelled = await desk.cancel({ id })
    expect(await desk.place(input)).toEqual(cancelled)
  })
})

describe('the events of an order', () => {
  const emitted = (id: string) =>
    app.database.admin<{ type: string; data: unknown }>(
      'select type, data from orders.outbox where aggregate = $1 order by revision',
      [`order/${id}`],
    )

  it('say that it was placed, with all that is needed to deliver it, and cancelled, once, with the reason', async () => {
    const product = await newProduct()
    const input = request([[product, 4]], { paymentMethod: 'pm_ok' })
    const { id, lines, total, placedBy } = await desk.place(input)
    await desk.place(input)
    await desk.cancel({ id })
    await desk.cancel({ id })
    expect(await emitted(id)).toEqual([
      { type: 'orders.OrderPlaced', data: { orderId: id, lines, total, placedBy, paymentMethod: 'pm_ok' } },
      { type: 'orders.OrderCancelled', data: { orderId: id, total, placedBy, reason: 'customer' } },
    ])
  })
})

describe('reading orders', () => {
  it('answers in the order of the ids, null for the unknown, in two statements', async () => {
    const [a, b] = [
      await desk.place(request([[await newProduct(), 1]])),
      await desk.place(request([[await newProduct(), 1]])),
    ]
    app.statements.length = 0
    expect(await desk.getMany({ ids: [b.id, neverExisted as OrderId, a.id, b.id] })).toEqual([b, null, a, b])
    expect(app.statements).toHaveLength(2)
  })

  it('lists newest first, by status too, each order once, in two statements for any number', async () => {
    const [shop, clerk] = [app.client(catalog, { tenant: 'initech' }), app.client(orders, { tenant: 'initech' })]
    const product = await newProduct(5, 'EUR', shop)
    const made: Order[] = []
    for (let i = 0; i < 7; i++) {
      const order = await clerk.place(request([[product, 1 + i]]))
      made.unshift(i % 2 ? await clerk.cancel({ id: order.id }) : order)
      await new Promise((resolve) => setTimeout(resolve, 2)) // ids of one millisecond are in no particular order
    }
    for (const status of [undefined, 'PENDING', 'CANCELLED', 'CONFIRMED'] as const) {
      const found: Order[] = []
      for (let after: string | undefined, more = true; more; after = found.at(-1)?.id) {
        const page = await clerk.list({ first: 2, after, status })
        found.push(...page.items)
        more = page.more
      }
      expect(found).toEqual(made.filter((order) => !status || order.status === status))
    }
    for (const first of [1, 100]) {
      app.statements.length = 0
      await clerk.list({ first })
      expect(app.statements).toHaveLength(2)
    }
  })

  it.each([0, -1, 1.5, 101, 1e6])('refuses pages of %d', async (first) => {
    await expect(desk.list({ first })).rejects.toMatchObject(invalid)
  })

  it('refuses an unknown status and what is no position', async () => {
    await expect(desk.list({ first: 1, status: '__proto__' as never })).rejects.toMatchObject(invalid)
    for (const after of ['', 'x', `' or 1=1 --`])
      await expect(desk.list({ first: 1, after })).rejects.toMatchObject(invalid)
  })
})

describe('another tenant', () => {
  it("meets an order's id as if it had never existed, in every call", async () => {
    const mine = await desk.place(request([[await newProduct(), 1]]))
    const about = async (id: string) => ({
      read: await otherDesk.getMany({ ids: [id as OrderId] }),
      cancel: await otherDesk.cancel({ id: id as OrderId }).catch(told),
    })
    expect(await about(mine.id)).toEqual(await about(neverExisted))
    expect((await about(mine.id)).cancel).toMatchObject({ code: 'NOT_FOUND', reason: 'ORDER_NOT_FOUND' })
    expect(await desk.getMany({ ids: [mine.id] })).toEqual([mine])
  })

  it("cannot order a tenant's product, and is told the same as about one that never existed", async () => {
    const mine = await newProduct()
    const refusal = (id: ProductId) => otherDesk.place(request([[{ id }, 1]])).then(() => null, told)
    expect(await refusal(mine.id)).toEqual(await refusal(neverExisted as ProductId))
    expect(await refusal(mine.id)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'PRODUCT_NOT_FOUND' })
  })

  it('finds no order in lists, wherever they begin', async () => {
    const { id } = await desk.place(request([[await newProduct(), 1]]))
    const nobody = app.client(orders, { tenant: 'hooli' })
    expect(await nobody.list({ first: 100 })).toEqual({ items: [], more: false })
    expect(await nobody.list({ first: 100, after: id })).toEqual({ items: [], more: false })
  })
})

/** What a caller is told of a failure. */
function told({ code, reason, message, data }: { code: string; reason: string; message: string; data: unknown }) {
  return { code, reason, message, data }
}
