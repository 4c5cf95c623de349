import { forbidden, type Role } from '@offshoot/rpc'
import { type AuditedAction, record } from './audit.ts'
import { identity } from './contract.ts'
import type { IdentityContext, IdentityTransaction } from './domain.ts'

/** A change of who may do what in an organization, while it has its turn. */
export interface OrganizationChange {
  tx: IdentityTransaction
  /** The role of whoever acts, as it is now. The one that came with the call is up to a second old. */
  role: Role
  /** The user who acts; for an API key, its maker. */
  user: string
  record(action: AuditedAction, ...targetIds: string[]): Promise<void>
}

/**
 * Runs a change of members, invitations or keys in a transaction that holds the lock of the organization's row: such changes take
 * turns, so that two owners who demote each other at once meet here, and the second finds out what the first did. The actor's
 * membership is read again under the lock, and must still allow `action`.
 */
export async function changeOrganization<T>(
  ctx: IdentityContext,
  action: keyof typeof identity.actions & string,
  work: (change: OrganizationChange) => Promise<T>,
): Promise<T> {
  const user = actingUser(ctx)
  return ctx.db.transaction(async (tx) => {
    await tx.organization.lock(tx.tenant)
    const member = await tx.member.findUnique({ where: { userId: user } })
    if (!member || member.removedAt) throw forbidden('NOT_A_MEMBER', 'You do not belong to this organization.')
    const role = member.role as Role
    const roles = identity.actions[action]!
    if (!roles.includes(role)) throw forbidden('ROLE_REQUIRED', `This needs one of the roles ${roles.join(', ')}.`)
    return work({ tx, role, user, record: (done, ...targetIds) => record(tx, ctx.identity, done, ...targetIds) })
  })
}

function actingUser({ identity: { actor } }: IdentityContext): string {
  if (actor.kind === 'user') return actor.id
  if (actor.kind === 'key') return actor.user
  throw new Error('Nobody acts.')
}

const ranks: Record<Role, number> = { member: 0, admin: 1, owner: 2 }

/** Nobody gives a role above their own, or touches the membership of someone who has one. */
export function assertWithin(own: Role, ...roles: string[]): void {
  if (roles.some((role) => ranks[role as Role] > ranks[own])) {
    throw forbidden('ROLE_TOO_HIGH', `This concerns a role above your own, which is ${own}.`)
  }
}

/** Whether `role` is lower than `than`. */
export const isLower = (role: Role, than: string) => ranks[role] < ranks[than as Role]
