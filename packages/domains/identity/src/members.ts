import type { InputOf, OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'

type Call = (typeof identity)['calls']['members']
type Member = OutputOf<Call>[number]

/** The present members, in the order in which they came to be known. */
export async function members(ctx: IdentityContext, { users, roles }: InputOf<Call>): Promise<Member[]> {
  const rows = await ctx.db.member.findMany({
    where: { removedAt: null, userId: { in: users }, role: { in: roles } },
    orderBy: { id: 'asc' },
  })
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
