import type { LaneTables } from '@offshoot/data'
import type { InputOf, OutputOf, Plan } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import type { PrismaClient } from './generated/prisma/client.ts'

type Calls = (typeof identity)['calls']
type Organization = OutputOf<Calls['organization']>

export async function organization(ctx: IdentityContext): Promise<Organization> {
  return readOrganization(ctx.db)
}

/** One's own organization; every other id is answered as one that does not exist. */
export async function organizationsByIds(
  ctx: IdentityContext,
  { ids }: InputOf<Calls['organizationsByIds']>,
): Promise<(Organization | null)[]> {
  const own = ids.includes(ctx.tenant) ? await readOrganization(ctx.db) : null
  return ids.map((id) => (id === ctx.tenant ? own : null))
}

/** The tenant's organization, of a lane or a transaction. */
export async function readOrganization(db: LaneTables<PrismaClient>): Promise<Organization> {
  const [{ name, plan, createdAt }, { slug }] = await Promise.all([
    db.organization.findUniqueOrThrow({ where: { id: db.tenant } }),
    db.tenantSlug.findUniqueOrThrow({ where: { tenant: db.tenant } }),
  ])
  return { id: db.tenant, slug, name, plan: plan as Plan, createdAt: createdAt.toISOString() }
}
