import type { OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { endMembership } from './end-membership.ts'
import { changeOrganization } from './organization-change.ts'
import { readOrganization } from './organizations.ts'
import { signedInUser } from './signed-in-user.ts'

type Call = (typeof identity)['calls']['leaveOrganization']

/** Ends the caller's own membership. */
export async function leaveOrganization(ctx: IdentityContext): Promise<OutputOf<Call>> {
  const user = signedInUser(ctx)
  return changeOrganization(ctx, 'organization:leave', async (change) => {
    const member = await change.tx.member.findUniqueOrThrow({ where: { userId: user } })
    await endMembership(change, member)
    await change.record('member.left', member.id)
    return readOrganization(change.tx)
  })
}
