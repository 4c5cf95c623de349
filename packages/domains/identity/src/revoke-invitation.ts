import { type InputOf, notFound, type OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { readInvitationId, stillOpen, toInvitation } from './invitations.ts'
import { changeOrganization } from './organization-change.ts'

type Call = (typeof identity)['calls']['revokeInvitation']

/** Closes an open invitation; answers it as it was. */
export async function revokeInvitation(ctx: IdentityContext, { id }: InputOf<Call>): Promise<OutputOf<Call>> {
  const named = readInvitationId(id)
  if (named?.tenant !== ctx.tenant) throw notFound('Invitation')
  return changeOrganization(ctx, 'member:invite', async ({ tx, record }) => {
    const [row] = await tx.invitation.updateManyAndReturn({
      where: { id: named.row, ...stillOpen() },
      data: { closedAt: new Date() },
    })
    if (!row) throw notFound('Invitation')
    await record('invitation.revoked', row.id)
    return toInvitation(row, ctx.tenant)
  })
}
