// #region with catalog, orders, billing, notifications, insights
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { settled } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { describeOverEachTransport } from '../faults/carriers.ts'
import { type TestGateway, testGateway } from '../gateway.ts'
import { isCall, type Span, treeOf } from './trace-tree.ts'

const recording = recordTelemetry()
recording.instrument()
afterAll(() => recording.stop())

const tree = `
POST /graphql
  mutation Place
    identity.resolveActor
      SELECT resolve_actor
    resolve Mutation.placeOrder
      orders.place
        SELECT order
        catalog.getMany
          SELECT product
        transaction orders
          INSERT order
          INSERT order_line
          create orders.OrderPlaced
            process orders.OrderPlaced: catalog.reserve-stock
              transaction catalog
                SELECT reservation
                SELECT product
                INSERT reservation
                INSERT reservation_line
                UPDATE product
                create catalog.StockReserved
                  process catalog.StockReserved: billing.payments
                    transaction billing
                      INSERT payment
                      create billing.PaymentRequested
                        process billing.PaymentRequested: billing.captures
                          SELECT payment
                          INSERT provider_charge
                          SELECT provider_charge
                          transaction billing
                            SELECT payment
                            SELECT payment
                            INSERT ledger_entry
                            UPDATE payment
                            create billing.PaymentCaptured
                              process billing.PaymentCaptured: orders.saga
                                transaction orders
                                  SELECT order
                                  SELECT order
                                  UPDATE order
                                  create orders.OrderConfirmed
                                    process orders.OrderConfirmed: insights.projections
                                      transaction insights
                                        SELECT order_overview
                                        INSERT order_overview
                                        INSERT revenue_day
                                        INSERT product_sales
                                        INSERT product_revenue
                                        SELECT settle
                                    process orders.OrderConfirmed: notifications.order-emails
                                      transaction notifications
                                        INSERT email
                                        create notifications.EmailQueued
                                          process notifications.EmailQueued: notifications.send-email
                                            SELECT email
                                            identity.members
                                              SELECT member
                                            identity.usersByIds
                                              SELECT member
                                              SELECT user
                                            identity.organization
                                              SELECT organization
                                              SELECT tenant_slug
                                            send mail
                                            transaction notifications
                                              UPDATE email
                                              SELECT settle
                                          send notifications.EmailQueued
                                        SELECT emit
                                        SELECT settle
                                    send orders.OrderConfirmed
                                  SELECT emit
                                  SELECT settle
                              send billing.PaymentCaptured
                            SELECT emit
                            SELECT settle
                        send billing.PaymentRequested
                      SELECT emit
                      SELECT settle
                  send catalog.StockReserved
                SELECT emit
                SELECT settle
            process orders.OrderPlaced: insights.projections
              transaction insights
                SELECT order_overview
                INSERT order_overview
                SELECT settle
            send orders.OrderPlaced
          SELECT emit
    resolve OrderLine.product
      catalog.getMany
        SELECT product`.trim()

const place = `mutation Place($input: PlaceOrderInput!) {
  placeOrder(input: $input) { id lines { quantity product { sku } } }
}`

/** A function that places an order and waits until its trace is complete. Answers with the spans. */
async function shopOf(gateway: TestGateway): Promise<() => Promise<readonly Span[]>> {
  const acme = await gateway.as('owner@acme.test')
  const { data } = await acme('{ products(first: 20) { nodes { id stock } } }')
  const { id } = data.products.nodes.find(({ stock }: { stock: number }) => stock > 10)
  return async () => {
    await settled(gateway)
    recording.reset()
    const input = { lines: [{ productId: id, quantity: 1 }], idempotencyKey: crypto.randomUUID() }
    expect((await acme(place, { input })).errors).toBeUndefined()
    await expect.poll(() => treeOf(recording.spans())).toBe(tree)
    return recording.spans()
  }
}

// Once more when it fails: a busy machine may handle two events of the order at once.
const retry = 1

describeOverEachTransport('an order', (start) => {
  let gateway: TestGateway
  let stop = async () => {}
  let order: () => Promise<readonly Span[]>
  beforeAll(async () => {
    const nats = await start()
    stop = async () => nats?.stop()
    gateway = await testGateway({ events: true, natsUrl: nats?.url })
    order = await shopOf(gateway)
  })
  afterAll(async () => {
    await gateway.close()
    await stop()
  })

  it('is one trace, from its request to its mail', { retry }, async () => {
    const spans = await order()
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1)
  })
})

describe('an order in a product whose domains all run apart', () => {
  let gateway: TestGateway
  let order: () => Promise<readonly Span[]>
  beforeAll(async () => {
    vi.stubEnv('TEST_TOPOLOGY', 'all')
    gateway = await testGateway({ events: true })
    vi.unstubAllEnvs()
    order = await shopOf(gateway)
  })
  afterAll(() => gateway.close())

  it('is the same trace, with the callers’ side of every call', { retry }, async () => {
    const spans = await order()
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1)
    const called = spans.filter(isCall).map(({ name }) => name)
    expect(called.toSorted()).toEqual([
      'call catalog.getMany',
      'call catalog.getMany',
      'call identity.members',
      'call identity.organization',
      'call identity.resolveActor',
      'call identity.usersByIds',
      'call orders.place',
    ])
  })
})
