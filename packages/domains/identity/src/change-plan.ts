import { type InputOf, notFound, type OutputOf, type TenantId } from '@offshoot/rpc'
import { record } from './audit.ts'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { readOrganization } from './organizations.ts'

type Call = (typeof identity)['calls']['changePlan']

/** Gives an organization another plan, which counts from its next request on. Its owners find in their audit log who did. */
export async function changePlan(ctx: IdentityContext, { slug, plan }: InputOf<Call>): Promise<OutputOf<Call>> {
  const named = await ctx.global.tenantSlug.findUnique({ where: { slug } })
  if (!named) throw notFound('Organization')
  return ctx.enter(named.tenant as TenantId).transaction(async (tx) => {
    const before = await tx.organization.lock(tx.tenant)
    if (before?.plan !== plan) {
      await tx.organization.update({ where: { id: tx.tenant }, data: { plan } })
      await record(tx, ctx.identity, 'organization.plan-changed', tx.tenant)
    }
    return readOrganization(tx)
  })
}
