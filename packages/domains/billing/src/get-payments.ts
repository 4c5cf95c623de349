import type { InputOf } from '@offshoot/rpc'
import type { billing, Payment } from './contract.ts'
import type { BillingContext } from './domain.ts'
import { toPayment } from './payment.ts'

/** The payments with these ids, in the order of the ids; null for what this tenant does not have. */
export async function getPayments(
  { db }: BillingContext,
  { ids }: InputOf<typeof billing.calls.getMany>,
): Promise<(Payment | null)[]> {
  const rows = await db.payment.findMany({ where: { id: { in: [...new Set(ids)] } } })
  const found = new Map(rows.map((row) => [row.id, toPayment(row)]))
  return ids.map((id) => found.get(id) ?? null)
}

/** The payments of these orders, in the order of their ids; null where there is none. */
export async function getPaymentsByOrder(
  { db }: BillingContext,
  { orderIds }: InputOf<typeof billing.calls.getByOrder>,
): Promise<(Payment | null)[]> {
  const rows = await db.payment.findMany({ where: { orderId: { in: [...new Set(orderIds)] } } })
  const found = new Map(rows.map((row) => [row.orderId, toPayment(row)]))
  return orderIds.map((id) => found.get(id) ?? null)
}
