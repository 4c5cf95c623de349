import { demoId } from '@offshoot/host'
import { ordersDomain } from '@offshoot/orders'
import { OrderCancelled, type OrderId, OrderPlaced } from '@offshoot/orders/contract'
import type { Client } from '@offshoot/rpc'
import { emit, settled, type TestApp, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { catalog, type Product } from '../src/contract.ts'
import { catalogDomain } from '../src/domain.ts'

let app: TestApp
let shop: Client<typeof catalog>

beforeAll(async () => {
  app = await testApp([catalogDomain, ordersDomain])
  shop = app.client(catalog)
})
afterAll(() => app.stop())

let counter = 0
const price = { minor: 100, currency: 'EUR' }
const newProduct = (stock: number) => shop.create({ sku: `SKU-${++counter}`, name: 'Nail', price, stock })
const newOrder = () => demoId('order', String(++counter)) as OrderId
const stockOf = async ({ id }: Product) => (await shop.getMany({ ids: [id] }))[0]!.stock

const placed = (orderId: OrderId, ...lines: [product: Product, quantity: number][]) =>
  emit(app, 'acme', OrderPlaced, {
    orderId,
    placedBy: null,
    lines: lines.map(([{ id, sku, name }, quantity]) => ({ productId: id, sku, name, quantity, unitPrice: price })),
    total: price,
    paymentMethod: 'pm_ok',
  })
const cancelled = (orderId: OrderId) =>
  emit(app, 'acme', OrderCancelled, { orderId, placedBy: null, total: price, reason: 'customer' })
/** What catalog told others about an aggregate. */
const told = (aggregate: string) =>
  app.database.admin<{ type: string; data: unknown }>(
    'SELECT type, data FROM catalog.outbox WHERE aggregate = $1 ORDER BY revision',
    [aggregate],
  )

describe('an order that was placed', () => {
  it('takes its products from the stock, and others are told what there is to be paid', async () => {
    const [nail, screw, order] = [await newProduct(50), await newProduct(3), newOrder()]
    await placed(order, [nail, 7], [screw, 3])
    await settled(app)
    expect([await stockOf(nail), await stockOf(screw)]).toEqual([43, 0])
    expect(await told(`reservation/${order}`)).toEqual([
      { type: 'catalog.StockReserved', data: { orderId: order, total: price, paymentMethod: 'pm_ok' } },
    ])
  })

  it('takes nothing at all when one product is short, unknown or another tenant’s, and others are told which', async () => {
    const [nail, screw] = [await newProduct(50), await newProduct(3)]
    const foreign = await app
      .client(catalog, { tenant: 'globex' })
      .create({ sku: 'SKU', name: 'Nail', price, stock: 50 })
    for (const missing of [screw, foreign]) {
      const order = newOrder()
      await placed(order, [nail, 1], [missing, 4])
      await settled(app)
      expect([await stockOf(nail), await stockOf(screw)]).toEqual([50, 3])
      expect(await told(`reservation/${order}`)).toEqual([
        { type: 'catalog.StockRejected', data: { orderId: order, productIds: [missing.id] } },
      ])
    }
    expect(await app.client(catalog, { tenant: 'globex' }).getMany({ ids: [foreign.id] })).toMatchObject([
      { stock: 50 },
    ])
  })
})

describe('an order that is cancelled', () => {
  it('gives back what it took, once', async () => {
    const [nail, order] = [await newProduct(50), newOrder()]
    await placed(order, [nail, 7])
    await cancelled(order)
    await cancelled(order)
    await settled(app)
    expect(await stockOf(nail)).toBe(50)
  })

  it('gives back nothing when it got nothing', async () => {
    const [nail, order] = [await newProduct(5), newOrder()]
    await placed(order, [nail, 7])
    await cancelled(order)
    await settled(app)
    expect(await stockOf(nail)).toBe(5)
  })

  it('takes nothing any more when catalog hears of it afterwards', async () => {
    const [nail, order] = [await newProduct(50), newOrder()]
    await cancelled(order)
    await placed(order, [nail, 7])
    await settled(app)
    expect(await stockOf(nail)).toBe(50)
    expect(await told(`reservation/${order}`)).toEqual([])
  })
})

describe('stock that people set', () => {
  it('is what is left to sell, whatever is reserved; what comes back is added', async () => {
    const [nail, order] = [await newProduct(50), newOrder()]
    await placed(order, [nail, 7])
    await settled(app)
    await shop.update({ id: nail.id, stock: 20 })
    await cancelled(order)
    await settled(app)
    expect(await stockOf(nail)).toBe(27)
  })
})

describe('low stock', () => {
  it('is told when an order or a person brings it to 10 or below, and again only after it was above', async () => {
    const nail = await newProduct(13)
    const low = (stock: number) => ({
      type: 'catalog.StockLow',
      data: { productId: nail.id, sku: nail.sku, name: nail.name, stock },
    })
    for (const quantity of [2, 1, 1]) {
      await placed(newOrder(), [nail, quantity])
      await settled(app)
    }
    expect(await told(`product/${nail.id}`)).toEqual([low(10)])
    await shop.update({ id: nail.id, stock: 11 })
    await shop.update({ id: nail.id, stock: 4 })
    await shop.update({ id: nail.id, stock: 3 })
    expect(await told(`product/${nail.id}`)).toEqual([low(10), low(4)])
  })
})
