import { type InputOf, type OutputOf, toPage } from '@offshoot/rpc'
import type { billing } from './contract.ts'
import type { BillingContext } from './domain.ts'
import { toPayment } from './payment.ts'

/** A page of the tenant's payments, newest first. */
export async function listPayments(
  { db }: BillingContext,
  { first, after }: InputOf<typeof billing.calls.list>,
): Promise<OutputOf<typeof billing.calls.list>> {
  const rows = await db.payment.findMany({ where: { id: { lt: after } }, orderBy: { id: 'desc' }, take: first + 1 })
  const { items, more } = toPage(rows, first)
  return { items: items.map(toPayment), more }
}
