import {
  forbidden,
  type Identity,
  type InputOf,
  type OutputOf,
  type Plan,
  type Role,
  type TenantId,
  type UserId,
} from '@offshoot/rpc'
import type { identity } from './contract.ts'
import { readCredential } from './credentials.ts'
import type { IdentityContext } from './domain.ts'

/** One entry of what the database function `identity.resolve_actor` answers. */
interface FoundMembership {
  tenant: TenantId
  slug: string
  name: string
  role: Role
  plan: Plan
}

interface FoundActor {
  user: { id: UserId; name: string; email: string; emailVerified: boolean; operator: boolean }
  key: { id: string; scopes: string[] } | null
  memberships: FoundMembership[]
  membership: FoundMembership | null
}

type Call = (typeof identity)['calls']['resolveActor']

/**
 * Tells who a credential belongs to and as what they act in the tenant with this slug. Asks the database once, and nothing is
 * remembered here: what was revoked, removed or lowered is so in the next answer. `secret` is what session tokens are signed with.
 */
export function resolveActor(secret: string) {
  return async (ctx: IdentityContext, { credential, slug }: InputOf<Call>): Promise<OutputOf<Call>> => {
    const lookup = readCredential(credential, secret)
    if (!lookup) return null
    // PostgreSQL's text knows no NUL. What contains one names no tenant, as '' names none.
    const wanted = slug?.includes('\0') ? '' : slug
    const [row] = await ctx.global.$queryRaw<{ actor: FoundActor | null }[]>`
      SELECT identity.resolve_actor(${JSON.stringify(lookup)}::jsonb, ${wanted}) AS actor`
    const found = row?.actor
    if (!found) return null
    const { operator, ...user } = found.user
    // The same words for a tenant that doesn't exist: whether it does is nobody else's business.
    if (slug !== null && !found.membership) throw forbidden('NOT_A_MEMBER', 'You do not belong to this organization.')
    return {
      identity: actingIn(found, operator),
      user,
      memberships: found.memberships.map(({ tenant, slug, name, plan, role }) => ({
        organization: { id: tenant, slug, name, plan },
        role,
      })),
    }
  }
}

function actingIn({ user, key, membership }: FoundActor, operator: boolean): Identity {
  return {
    actor: key
      ? ({ kind: 'key', id: key.id, user: user.id } as Identity['actor'])
      : { kind: 'user', id: user.id, operator },
    tenant: membership?.tenant ?? null,
    plan: membership?.plan ?? null,
    role: membership?.role ?? null,
    scopes: key?.scopes ?? null,
  }
}
