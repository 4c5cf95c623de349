import type { OrderCancelled, OrderConfirmed } from '@offshoot/orders/contract'
import { currencyDigits, type Money } from '@offshoot/rpc'

type CancelReason = Parameters<(typeof OrderCancelled)['prepare']>[0]['reason']
type OrderId = Parameters<(typeof OrderConfirmed)['prepare']>[0]['orderId']

/** A template, and what it is filled with besides the reader's name. */
export type Letter =
  | { template: 'order-confirmed'; data: { orderId: OrderId; total: Money } }
  | { template: 'order-cancelled'; data: { orderId: OrderId; total: Money; reason: CancelReason } }
  | { template: 'stock-low'; data: { sku: string; name: string; stock: number } }

export interface Reader {
  name: string
  /** The name of the organization in which it happened: people may belong to several. */
  organization: string
}

/** The mail as it is sent. */
export function written(letter: Letter, { name, organization }: Reader): { subject: string; text: string } {
  const { subject, text } = body(letter)
  return { subject: `${organization}: ${subject}`, text: `Hello ${name},\n\n${text}\n\n${organization}` }
}

function body({ template, data }: Letter): { subject: string; text: string } {
  switch (template) {
    // #region with orders
    case 'order-confirmed':
      return {
        subject: 'your order is confirmed',
        text: `Your order ${data.orderId} over ${amount(data.total)} is paid and confirmed.`,
      }
    case 'order-cancelled':
      return {
        subject: 'your order was cancelled',
        text: `Your order ${data.orderId} over ${amount(data.total)} was cancelled: ${reasons[data.reason]}\nWhatever was paid for it is paid back.`,
      }
    // #endregion
    // #region with catalog
    case 'stock-low':
      return {
        subject: `${data.name} is nearly sold out`,
        text: `Of ${data.name} (${data.sku}) there are ${data.stock} left.`,
      }
    // #endregion
  }
}

const reasons: Record<CancelReason, string> = {
  customer: 'you, or somebody in your organization, asked for it.',
  'out-of-stock': 'there is not enough in stock.',
  'payment-failed': 'the payment failed.',
  'timed-out': 'it could not be completed in time.',
}

/** `EUR 12.50`. Exact: the number reaches the formatter as text. */
function amount({ minor, currency }: Money): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'code' })
  return format.format(`${minor}E-${currencyDigits(currency) ?? 0}` as `${number}`).replace('\u00a0', ' ')
}
