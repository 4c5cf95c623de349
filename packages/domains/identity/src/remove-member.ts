import { type InputOf, notFound, type OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { endMembership } from './end-membership.ts'
import { assertWithin, changeOrganization } from './organization-change.ts'
import { readOrganization } from './organizations.ts'

type Call = (typeof identity)['calls']['removeMember']

/** Ends a membership. What the user did stays, under their name. */
export async function removeMember(ctx: IdentityContext, { id }: InputOf<Call>): Promise<OutputOf<Call>> {
  return changeOrganization(ctx, 'member:manage', async (change) => {
    const member = await change.tx.member.findFirst({ where: { id, removedAt: null } })
    if (!member) throw notFound('Member')
    assertWithin(change.role, member.role)
    await endMembership(change, member)
    await change.record('member.removed', id)
    return readOrganization(change.tx)
  })
}
