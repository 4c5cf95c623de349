import type { LaneTransaction } from '@offshoot/data'
import type { Payment, PaymentStatus } from './contract.ts'
import type { Payment as PaymentRow, PrismaClient } from './generated/prisma/client.ts'

type Transaction = LaneTransaction<PrismaClient>

/** A payment as the contract shows it. */
export function toPayment(row: PaymentRow): Payment {
  const { id, orderId, status, failure, createdAt } = row
  return {
    id: id as Payment['id'],
    orderId: orderId as Payment['orderId'],
    status: status as PaymentStatus,
    amount: amountOf(row),
    failure: failure as Payment['failure'],
    createdAt: createdAt.toISOString(),
  }
}

/** What every event of a payment says of it. */
export function about(row: PaymentRow) {
  const { id, orderId } = row
  return { paymentId: id as Payment['id'], orderId: orderId as Payment['orderId'], amount: amountOf(row) }
}

export function amountOf({ amountMinor, currency }: PaymentRow) {
  return { minor: Number(amountMinor), currency }
}

/** Moves a payment on. Together with `book` the only ways in which one changes. */
export function become(
  tx: Transaction,
  { id }: PaymentRow,
  status: PaymentStatus,
  failure?: Payment['failure'],
): Promise<PaymentRow> {
  return tx.payment.update({ where: { id }, data: { status, failure } })
}

/** Puts money that moved into the ledger, each kind once. */
export async function book(
  tx: Transaction,
  { id, amountMinor, currency }: PaymentRow,
  ...kinds: ('capture' | 'refund')[]
): Promise<void> {
  await tx.ledgerEntry.createMany({
    data: kinds.map((kind) => ({ paymentId: id, kind, amountMinor, currency })),
    skipDuplicates: true,
  })
}
