import type { OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'

type Member = OutputOf<(typeof identity)['calls']['members']>[number]

/** The present members, in the order in which they came to be known. */
export async function members(ctx: IdentityContext): Promise<Member[]> {
  const rows = await ctx.db.member.findMany({ where: { removedAt: null }, orderBy: { id: 'asc' } })
  return rows.map(toMember)
}

export function toMember({
  id,
  userId,
  role,
  joinedAt,
}: {
  id: string
  userId: string
  role: string
  joinedAt: Date
}): Member {
  return { id, user: userId, role, joinedAt: joinedAt.toISOString() } as Member
}
