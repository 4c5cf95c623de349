import type { Platform } from '@offshoot/host'
import { conflict, type InputOf, type OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext, IdentityTransaction } from './domain.ts'
import { stillOpen, toInvitation } from './invitations.ts'
import { assertWithin, changeOrganization } from './organization-change.ts'

type Call = (typeof identity)['calls']['inviteMember']

/** How long an invitation can be accepted, in ms. */
const lifetime = 7 * 24 * 60 * 60 * 1000

/** Invites whoever reads mail at `email`. The invitation stands first; a mail that cannot be sent does not undo it. */
export function inviteMember({ mailer, publicUrl }: Platform) {
  return async (ctx: IdentityContext, { email, role }: InputOf<Call>): Promise<OutputOf<Call>> => {
    const { row, organization } = await changeOrganization(ctx, 'member:invite', async (change) => {
      const { tx, user } = change
      assertWithin(change.role, role)
      if (await isMember(tx, email)) throw conflict('ALREADY_MEMBER', 'Somebody with this address is a member already.')
      if (await tx.invitation.findFirst({ where: { email, ...stillOpen() } })) {
        throw conflict(
          'ALREADY_INVITED',
          'There is an open invitation for this address. Revoke it to make another one.',
        )
      }
      const expiresAt = new Date(Date.now() + lifetime)
      const row = await tx.invitation.create({ data: { email, role, invitedBy: user, expiresAt } })
      await change.record('invitation.created', row.id)
      return { row, organization: await tx.organization.findUniqueOrThrow({ where: { id: tx.tenant } }) }
    })

    const invitation = toInvitation(row, ctx.tenant)
    const sent = mailer.send({
      to: email,
      subject: `You are invited to ${organization.name}`,
      text:
        `You are invited to join ${organization.name} as ${role}. Sign in at ${publicUrl} with this address, ${email}, and accept the ` +
        `invitation, until ${invitation.expiresAt.slice(0, 10)}:\n\n${invitation.id}`,
    })
    // The error itself may quote the address.
    void sent.catch(({ code, responseCode }) =>
      ctx.log.error({ code, responseCode, invitation: row.id }, 'an invitation could not be sent'),
    )
    return invitation
  }
}

// One statement, so that it takes as long for an address without an account as for one with an account elsewhere.
async function isMember(tx: IdentityTransaction, email: string): Promise<boolean> {
  const found = await tx.$queryRaw<unknown[]>`
    SELECT FROM identity.member m JOIN identity."user" u ON u.id = m.user_id
    WHERE m.tenant_id = ${tx.tenant}::uuid AND m.removed_at IS NULL AND u.email = ${email}`
  return found.length > 0
}
