import type { HandlerContext, Received } from '@offshoot/events'
import type { Platform } from '@offshoot/host'
import { addressRefused } from '@offshoot/mail'
import type { UserId } from '@offshoot/rpc'
import type { EmailId, EmailStatus } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import type { Preparation } from './queue-emails.ts'
import { type Letter, written } from './templates.ts'

type Queued = Received<{ emailId: EmailId }>
type Outcome = Exclude<EmailStatus, 'QUEUED'> | undefined

/**
 * Hands a queued mail to the mail server, to the address that its reader has now; not to somebody who left. It happens before the transaction that notes it, so it
 * happens again when the process dies in between: the mail then comes twice, with the same Message-ID, by which mailboxes tell.
 */
export function deliver(platform: Platform) {
  return async ({ db, clients: { identity } }: Preparation, { data: { emailId } }: Queued): Promise<Outcome> => {
    const email = await db.email.findUnique({ where: { id: emailId } })
    if (email?.status !== 'QUEUED') return undefined
    const id = email.userId as UserId
    const [[member], [user], organization] = await Promise.all([
      identity.members({ users: [id] }),
      identity.usersByIds({ ids: [id] }),
      identity.organization({}),
    ])
    if (!member || !user) return 'SKIPPED'
    const letter = { template: email.template, data: email.data } as unknown as Letter
    const { subject, text } = written(letter, { organization: organization.name, name: user.name })
    try {
      await platform.mailer.send({ to: user.email, subject, text, messageId: email.id })
      return 'SENT'
    } catch (error) {
      if (addressRefused(error)) return 'REFUSED'
      // What a mail server answers may name the address: it is neither logged nor kept.
      const { code, responseCode } = error as { code?: string; responseCode?: number }
      throw new Error(
        `The mail server did not take the mail (${[code, responseCode].filter(Boolean).join(' ') || 'no reason given'}).`,
      )
    }
  }
}

export async function noteDelivery(
  { tx }: HandlerContext<PrismaClient>,
  { data: { emailId } }: Queued,
  status: Outcome,
): Promise<void> {
  if (!status) return
  await tx.email.update({ where: { id: emailId }, data: { status, sentAt: status === 'SENT' ? new Date() : null } })
}
