import { StockLow } from '@offshoot/catalog/contract'
import { type HandlerContext, handler, on, onPrepared } from '@offshoot/events'
import type { Platform } from '@offshoot/host'
import { OrderCancelled, OrderConfirmed } from '@offshoot/orders/contract'
import { EmailQueued } from './contract.ts'
import { outgoingEmail } from './flags.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { managers, queueEmails } from './queue-emails.ts'
import { deliver, noteDelivery } from './send-email.ts'

type Context = HandlerContext<PrismaClient>

/**
 * What happened elsewhere becomes a mail in a table, in the transaction in which the event counts as handled: once, however often it is delivered. Sending
 * follows as the handling of an event of our own, so that a slow mail server delays nothing but mails.
 */
export const handlers = (platform: Platform) => [
  handler('order-emails', [
    on(OrderConfirmed, ({ tx }: Context, { id, data: { placedBy, orderId, total } }) =>
      queueEmails(tx, { event: id, users: [placedBy], template: 'order-confirmed', data: { orderId, total } }),
    ),
    on(OrderCancelled, ({ tx }: Context, { id, data: { placedBy, orderId, total, reason } }) =>
      queueEmails(tx, { event: id, users: [placedBy], template: 'order-cancelled', data: { orderId, total, reason } }),
    ),
  ]),
  handler('stock-alerts', [
    onPrepared(StockLow, managers, ({ tx }, { id, data: { sku, name, stock } }, users) =>
      queueEmails(tx, { event: id, users, template: 'stock-low', data: { sku, name, stock } }),
    ),
  ]),
  // 30 attempts are some two hours: mail servers have bad days. The time is for one that answers slowly and for the calls before.
  handler('send-email', [onPrepared(EmailQueued, deliver(platform), noteDelivery)], {
    attempts: 30,
    timeout: 25_000,
    holds: (tenant) => !platform.flags.isEnabled(outgoingEmail, { tenant }),
  }),
]
