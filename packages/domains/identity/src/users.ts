import type { InputOf, OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'

type Call = (typeof identity)['calls']['usersByIds']

/** Users who are or were members here; anybody else's id is answered as one that does not exist. */
export async function usersByIds(ctx: IdentityContext, { ids }: InputOf<Call>): Promise<OutputOf<Call>> {
  const known = await ctx.db.member.findMany({ where: { userId: { in: ids } }, select: { userId: true } })
  const users = await ctx.db.user.findMany({
    where: { id: { in: known.map(({ userId }) => userId) } },
    select: { id: true, name: true, email: true },
  })
  const byId = new Map(users.map((user) => [user.id, user as NonNullable<OutputOf<Call>[number]>]))
  return ids.map((id) => byId.get(id) ?? null)
}
