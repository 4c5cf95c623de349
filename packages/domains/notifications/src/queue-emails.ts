import type { LaneTransaction } from '@offshoot/data'
import type { PreparationContext } from '@offshoot/events'
import type { identity } from '@offshoot/identity/contract'
import type { UserId } from '@offshoot/rpc'
import { type EmailId, EmailQueued } from './contract.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import type { Letter } from './templates.ts'

export type Preparation = PreparationContext<PrismaClient, { identity: typeof identity }>

type Wanted = Letter & {
  /** The event that it is about. */
  event: string
  /** An event that nobody caused is nobody's mail. */
  users: readonly (UserId | null)[]
}

/** A mail about this event to each of these people, once. Emits `EmailQueued`. */
export async function queueEmails(
  tx: LaneTransaction<PrismaClient>,
  { event, users, template, data }: Wanted,
): Promise<void> {
  const queued = await tx.email.createManyAndReturn({
    data: users.filter((user) => user !== null).map((userId) => ({ eventId: event, userId, template, data })),
    skipDuplicates: true,
    select: { id: true },
  })
  for (const { id } of queued) tx.emit(EmailQueued, { emailId: id as EmailId })
}

/** Those who look after the shop. */
export async function managers({ clients }: Preparation): Promise<UserId[]> {
  const members = await clients.identity.members({ roles: ['owner', 'admin'] })
  return members.map(({ user }) => user)
}
