import { catalogDomain } from '@offshoot/catalog'
import { StockReserved } from '@offshoot/catalog/contract'
import { demoId } from '@offshoot/host'
import { ordersDomain } from '@offshoot/orders'
import { OrderCancelled, type OrderId } from '@offshoot/orders/contract'
import type { Client } from '@offshoot/rpc'
import { emit, settled, type TestApp, tenantId, testApp } from '@offshoot/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { billing, type Payment } from '../src/contract.ts'
import { billingDomain } from '../src/domain.ts'

let app: TestApp
let till: Client<typeof billing>

beforeAll(async () => {
  app = await testApp([catalogDomain, ordersDomain, billingDomain])
  till = app.client(billing)
})
afterAll(() => app.stop())

let counter = 0
const total = { minor: 1_250, currency: 'EUR' }
const newOrder = () => demoId('order', String(++counter), Date.now()) as OrderId
const reserved = (orderId: OrderId, paymentMethod: string | null = 'pm_ok', tenant = 'acme') =>
  emit(app, tenant, StockReserved, { orderId, total, paymentMethod })
const cancelled = (orderId: OrderId, tenant = 'acme') =>
  emit(app, tenant, OrderCancelled, { orderId, placedBy: null, total, reason: 'customer' })
const paymentOf = async (orderId: OrderId) => (await till.getByOrder({ orderIds: [orderId] }))[0] as Payment

const ledgerOf = async ({ id }: Payment) =>
  (
    await app.database.admin<{ entry: string }>(
      `SELECT kind || ' ' || amount_minor AS entry FROM billing.ledger_entry WHERE payment_id = $1 ORDER BY kind`,
      [id],
    )
  ).map(({ entry }) => entry)
const toldOf = async ({ id }: Payment) =>
  (
    await app.database.admin<{ type: string }>(
      `SELECT type FROM billing.outbox WHERE aggregate = $1 AND type NOT LIKE '%Requested' ORDER BY revision`,
      [`payment/${id}`],
    )
  ).map(({ type }) => type)

/** What the provider holds is what the ledger says, whatever happened. */
afterEach(async () => {
  const [sums] = await app.database.admin<{ booked: string; charged: string }>(
    `SELECT (SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount_minor ELSE -amount_minor END), 0) FROM billing.ledger_entry) AS booked,
       (SELECT coalesce(sum(amount_minor), 0) FROM billing.provider_charge WHERE status = 'charged') AS charged`,
  )
  expect(sums!.booked).toBe(sums!.charged)
})

describe('a payment', () => {
  it('is captured once stock is reserved', async () => {
    const order = newOrder()
    await reserved(order)
    await settled(app)
    const payment = await paymentOf(order)
    expect(payment).toMatchObject({ orderId: order, status: 'CAPTURED', amount: total, failure: null })
    expect(await ledgerOf(payment)).toEqual(['capture 1250'])
    expect(await toldOf(payment)).toEqual(['billing.PaymentCaptured'])
  })

  it('ends as the test card says; pm_ok is the default, an unknown card is declined, and a lost answer is found', async () => {
    const endings = {
      pm_ok: 'CAPTURED',
      pm_lost_answer: 'CAPTURED',
      pm_declined: 'declined',
      '4242424242424242': 'declined',
      pm_timeout: 'no-answer',
    }
    const made = [[null, 'CAPTURED'], ...Object.entries(endings)].map(([card, ending]) => ({
      card: card as string | null,
      ending,
      order: newOrder(),
    }))
    await Promise.all(made.map(({ card, order }) => reserved(order, card)))
    await settled(app)
    for (const { card, ending, order } of made) {
      const payment = await paymentOf(order)
      expect(payment.failure ?? payment.status, card ?? 'none').toBe(ending)
      expect(await ledgerOf(payment)).toEqual(payment.status === 'CAPTURED' ? ['capture 1250'] : [])
      expect(await toldOf(payment)).toEqual([
        payment.status === 'CAPTURED' ? 'billing.PaymentCaptured' : 'billing.PaymentFailed',
      ])
    }
  })

  it('is charged once when our transaction fails after the provider charged', async () => {
    await failBooking(1)
    const order = newOrder()
    await reserved(order)
    await settled(app)
    expect(app.logged.join()).toContain('booking fails')
    const payment = await paymentOf(order)
    expect(payment).toMatchObject({ status: 'CAPTURED' })
    expect(await ledgerOf(payment)).toEqual(['capture 1250'])
    expect(await toldOf(payment)).toEqual(['billing.PaymentCaptured'])
  })
})

describe('a cancelled order', () => {
  it('gets its money back', async () => {
    const order = newOrder()
    await reserved(order)
    await settled(app)
    await cancelled(order)
    await cancelled(order)
    await settled(app)
    const payment = await paymentOf(order)
    expect(payment).toMatchObject({ status: 'REFUNDED' })
    expect(await ledgerOf(payment)).toEqual(['capture 1250', 'refund 1250'])
    expect(await toldOf(payment)).toEqual(['billing.PaymentCaptured', 'billing.PaymentRefunded'])
  })

  it('is never charged when the cancellation comes before the reservation', async () => {
    const order = newOrder()
    await cancelled(order)
    await settled(app)
    await reserved(order)
    await settled(app)
    const payment = await paymentOf(order)
    expect(payment).toMatchObject({ status: 'VOID' })
    expect(await ledgerOf(payment)).toEqual([])
    expect(await toldOf(payment)).toEqual([])
  })

  it('gets back what was charged for it though we never learned that it was', async () => {
    await failBooking(1_000)
    const order = newOrder()
    await reserved(order)
    await expect
      .poll(
        () =>
          app.database.admin(
            `SELECT FROM billing.provider_charge WHERE status = 'charged' AND id IN (SELECT id FROM billing.payment WHERE order_id = $1)`,
            [order],
          ),
        { timeout: 5_000 },
      )
      .toHaveLength(1)
    await cancelled(order)
    await expect.poll(async () => (await paymentOf(order)).status, { timeout: 5_000 }).toBe('VOID')
    await failBooking(0)
    await settled(app)
    const payment = await paymentOf(order)
    expect(payment).toMatchObject({ status: 'REFUNDED' })
    expect(await ledgerOf(payment)).toEqual(['capture 1250', 'refund 1250'])
    expect(await toldOf(payment)).toEqual(['billing.PaymentRefunded'])
  })

  it('costs nothing whenever the cancellation meets the payment', async () => {
    const made = Array.from({ length: 20 }, () => newOrder())
    await Promise.all(made.map((order, i) => (i % 2 ? reserved(order) : cancelled(order))))
    await Promise.all(made.map((order, i) => (i % 2 ? cancelled(order) : reserved(order))))
    await settled(app)
    for (const payment of (await till.getByOrder({ orderIds: made })) as Payment[]) {
      expect(['VOID', 'REFUNDED']).toContain(payment.status)
      expect(await ledgerOf(payment)).toEqual(payment.status === 'VOID' ? [] : ['capture 1250', 'refund 1250'])
    }
  })
})

describe('reading payments', () => {
  it('answers in the order of the ids, by payment and by order, null for the unknown', async () => {
    const [a, b, unknown] = [newOrder(), newOrder(), newOrder()]
    await reserved(a)
    await reserved(b)
    await settled(app)
    const [one, other] = [await paymentOf(a), await paymentOf(b)]
    expect(await till.getByOrder({ orderIds: [b, unknown, a, b] })).toEqual([other, null, one, other])
    expect(await till.getMany({ ids: [other.id, unknown as never, one.id] })).toEqual([other, null, one])
  })

  it('lists them newest first, page by page, each once', async () => {
    const all = (await till.list({ first: 100 })).items
    expect(all.map(({ id }) => id)).toEqual(
      all
        .map(({ id }) => id)
        .sort()
        .reverse(),
    )
    const found: Payment[] = []
    for (let after: string | undefined, more = true; more; after = found.at(-1)?.id) {
      const page = await till.list({ first: 7, after })
      found.push(...page.items)
      more = page.more
    }
    expect(found).toEqual(all)
  })

  it('is for owners and admins', async () => {
    await app.client(billing, { role: 'admin' }).list({ first: 1 })
    const member = app.client(billing, { role: 'member' })
    const refused = { code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' }
    await expect(member.list({ first: 1 })).rejects.toMatchObject(refused)
    await expect(member.getMany({ ids: [] })).rejects.toMatchObject(refused)
    await expect(member.getByOrder({ orderIds: [] })).rejects.toMatchObject(refused)
  })
})

describe('another tenant', () => {
  it('sees no payment, and its events about the same order are about another one', async () => {
    const order = newOrder()
    await reserved(order)
    await settled(app)
    const mine = await paymentOf(order)
    const other = app.client(billing, { tenant: 'globex' })
    expect(await other.getMany({ ids: [mine.id] })).toEqual([null])
    expect(await other.getByOrder({ orderIds: [order] })).toEqual([null])
    expect((await other.list({ first: 100, after: mine.id })).items).toEqual([])
    await cancelled(order, 'globex')
    await settled(app)
    expect(await paymentOf(order)).toEqual(mine)
    expect(await other.getByOrder({ orderIds: [order] })).toMatchObject([{ status: 'VOID' }])
  })

  it('is named in every statement', () => {
    for (const { sql, tenant } of app.statements) {
      expect([tenantId('acme'), tenantId('globex')]).toContain(tenant)
      if (!/^(BEGIN|COMMIT|ROLLBACK|select .*"\w+"\.(emit|take|settle)\()/.test(sql)) expect(sql).toContain('tenant_id')
    }
  })
})

/** Makes the next `times` entries of the ledger fail, as a full disk would. */
async function failBooking(times: number): Promise<void> {
  await app.database.admin('CREATE SCHEMA IF NOT EXISTS fault')
  await app.database.admin('DROP SEQUENCE IF EXISTS fault.count')
  await app.database.admin('CREATE SEQUENCE fault.count')
  await app.database.admin(`CREATE OR REPLACE FUNCTION fault.book() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      IF nextval('fault.count') <= ${times} THEN
        RAISE EXCEPTION 'booking fails';
      END IF;
      RETURN NEW;
    END $$`)
  await app.database.admin(
    'CREATE OR REPLACE TRIGGER fault BEFORE INSERT ON billing.ledger_entry FOR EACH ROW EXECUTE FUNCTION fault.book()',
  )
}
