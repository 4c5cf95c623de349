import { isUniqueViolation } from '@offshoot/data'
import { badInput, conflict, type InputOf, newId, type OutputOf, type TenantId } from '@offshoot/rpc'
import { record } from './audit.ts'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { readOrganization } from './organizations.ts'
import { signedInUser } from './signed-in-user.ts'

type Call = (typeof identity)['calls']['createOrganization']

/** Host names and words that people would take for the product itself. */
const reserved = new Set(
  (
    'www api app apps admin administrator root system internal operator operators staff console dashboard auth login signin signup ' +
    'logout account accounts identity oauth sso id graphql graphiql rpc ws cdn static assets media files img images mail email smtp imap ' +
    'pop ftp ssh vpn dns ns ns1 ns2 mx status health livez readyz metrics docs help support blog news shop store billing payment payments ' +
    'pay security abuse postmaster webmaster hostmaster noreply dev test staging demo preview production localhost offshoot'
  ).split(' '),
)

/** Makes a new tenant whose owner is the caller. A slug that exists is told: host names are public. */
export async function createOrganization(ctx: IdentityContext, { name, slug }: InputOf<Call>): Promise<OutputOf<Call>> {
  const user = signedInUser(ctx)
  if (reserved.has(slug)) throw badInput('SLUG_RESERVED', `'${slug}' is reserved. Choose another one.`)
  const tenant = newId() as TenantId
  try {
    return await ctx.enter(tenant).transaction(async (tx) => {
      await tx.tenantSlug.create({ data: { tenant, slug } })
      await tx.organization.create({ data: { id: tenant, name } })
      await tx.member.create({ data: { userId: user, role: 'owner' } })
      await tx.userTenant.create({ data: { user, tenant } })
      await record(tx, ctx.identity, 'organization.created', tenant)
      return readOrganization(tx)
    })
  } catch (error) {
    if (isUniqueViolation(error, 'slug')) throw conflict('SLUG_TAKEN', `'${slug}' is taken. Choose another one.`)
    throw error
  }
}
