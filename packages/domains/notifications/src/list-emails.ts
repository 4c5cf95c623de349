import { type InputOf, type OutputOf, toPage } from '@offshoot/rpc'
import type { Email, notifications } from './contract.ts'
import type { NotificationsContext } from './domain.ts'

type Call = (typeof notifications)['calls']['emails']

/** A page of the tenant's mails, newest first. */
export async function listEmails(
  { db }: NotificationsContext,
  { first, after }: InputOf<Call>,
): Promise<OutputOf<Call>> {
  const rows = await db.email.findMany({ where: { id: { lt: after } }, orderBy: { id: 'desc' }, take: first + 1 })
  const { items, more } = toPage(rows, first)
  return {
    more,
    items: items.map(
      ({ id, template, userId, status, createdAt, sentAt }) =>
        ({
          id,
          template,
          user: userId,
          status,
          createdAt: createdAt.toISOString(),
          sentAt: sentAt?.toISOString() ?? null,
        }) as Email,
    ),
  }
}
