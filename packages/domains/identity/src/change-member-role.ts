import { type InputOf, notFound, type OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { assertOwnerRemains, withdrawInvitations } from './end-membership.ts'
import { toMember } from './members.ts'
import { assertWithin, changeOrganization, isLower } from './organization-change.ts'

type Call = (typeof identity)['calls']['changeMemberRole']

/** Gives a member another role. Their API keys act with the new one at once; invitations that it would not allow are withdrawn. */
export async function changeMemberRole(ctx: IdentityContext, { id, role }: InputOf<Call>): Promise<OutputOf<Call>> {
  return changeOrganization(ctx, 'member:manage', async (change) => {
    const { tx } = change
    const member = await tx.member.findFirst({ where: { id, removedAt: null } })
    if (!member) throw notFound('Member')
    assertWithin(change.role, member.role, role)
    if (member.role === role) return toMember(member)
    if (isLower(role, member.role)) {
      await assertOwnerRemains(change, member)
      await withdrawInvitations(change, member.userId, role)
    }
    const changed = await tx.member.update({ where: { id }, data: { role } })
    await change.record('member.role-changed', id)
    return toMember(changed)
  })
}
