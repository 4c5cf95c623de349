import { conflict, forbidden, type InputOf, notFound, type OutputOf } from '@offshoot/rpc'
import { record } from './audit.ts'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { readInvitationId, stillOpen } from './invitations.ts'
import { readOrganization } from './organizations.ts'
import { signedInUser } from './signed-in-user.ts'

type Call = (typeof identity)['calls']['acceptInvitation']

/**
 * Makes the caller a member of the tenant that the invitation's id names. Who is not the invited, or has not shown to be, learns
 * nothing about it, and takes no lock in that tenant.
 */
export async function acceptInvitation(ctx: IdentityContext, { id }: InputOf<Call>): Promise<OutputOf<Call>> {
  const user = signedInUser(ctx)
  const { email, emailVerified } = await ctx.global.user.findUniqueOrThrow({ where: { id: user } })
  if (!emailVerified) throw forbidden('EMAIL_NOT_VERIFIED', 'Confirm your address first: you got a mail with a link.')
  const named = readInvitationId(id)
  if (!named) throw notFound('Invitation')
  const db = ctx.enter(named.tenant)
  const invitation = await db.invitation.findFirst({ where: { id: named.row, email } })
  if (!invitation) throw notFound('Invitation')

  return db.transaction(async (tx) => {
    await tx.organization.lock(tx.tenant)
    const before = await tx.member.findUnique({ where: { userId: user } })
    if (before && !before.removedAt) throw conflict('ALREADY_MEMBER', 'You belong to this organization already.')
    const now = new Date()
    const { count } = await tx.invitation.updateMany({
      where: { id: invitation.id, ...stillOpen() },
      data: { closedAt: now },
    })
    if (count === 0) throw notFound('Invitation')
    const { role } = invitation
    const member = await tx.member.upsert({
      where: { userId: user },
      create: { userId: user, role },
      update: { role, joinedAt: now, removedAt: null },
    })
    await tx.userTenant.createMany({ data: { user, tenant: tx.tenant }, skipDuplicates: true })
    await record(tx, ctx.identity, 'member.joined', member.id)
    return readOrganization(tx)
  })
}
