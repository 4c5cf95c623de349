import { conflict, type Role, Role as roles } from '@offshoot/rpc'
import { identity } from './contract.ts'
import { stillOpen } from './invitations.ts'
import { isLower, type OrganizationChange } from './organization-change.ts'

interface MemberRow {
  id: string
  userId: string
  role: string
}

/** Refuses to take the organization's last owner away. Safe because the organization's row is locked. */
export async function assertOwnerRemains({ tx }: OrganizationChange, leaving: MemberRow): Promise<void> {
  if (leaving.role !== 'owner') return
  const others = await tx.member.count({ where: { role: 'owner', removedAt: null, id: { not: leaving.id } } })
  if (others === 0) throw conflict('LAST_OWNER', 'This is the last owner. Make somebody else an owner first.')
}

/** Ends a membership, and with it all that it vouched for: the user's API keys and open invitations. */
export async function endMembership(change: OrganizationChange, member: MemberRow): Promise<void> {
  const { tx } = change
  await assertOwnerRemains(change, member)
  const now = new Date()
  await tx.member.update({ where: { id: member.id }, data: { removedAt: now } })
  await tx.userTenant.deleteMany({ where: { user: member.userId, tenant: tx.tenant } })
  // Whoever comes back must not find old keys good again.
  const keys = await tx.apiKey.updateManyAndReturn({
    where: { createdBy: member.userId, revokedAt: null },
    data: { revokedAt: now },
    select: { id: true },
  })
  await change.record('api-key.revoked', ...keys.map(({ id }) => id))
  await withdrawInvitations(change, member.userId, null)
}

/** Closes a user's open invitations that they could not make any more with `role`; null: with none at all. */
export async function withdrawInvitations(
  { tx, record }: OrganizationChange,
  invitedBy: string,
  role: Role | null,
): Promise<void> {
  const mayInvite = role !== null && identity.actions['member:invite']!.includes(role)
  const withdrawn = await tx.invitation.updateManyAndReturn({
    where: {
      invitedBy,
      ...stillOpen(),
      role: mayInvite ? { in: roles.options.filter((other) => isLower(role, other)) } : undefined,
    },
    data: { closedAt: new Date() },
    select: { id: true },
  })
  await record('invitation.revoked', ...withdrawn.map(({ id }) => id))
}
