import { hkdfSync } from 'node:crypto'
import { createSigner, createVerifier } from 'fast-jwt'
import { z } from 'zod'
import { Problem } from './problem.ts'
import { id, Plan, Role, TenantId, UserId } from './values.ts'

/**
 * Who acts. A key acts for the user who made it; `operator` marks the product's own staff, who belong to no tenant by that. A service is a domain that handles
 * an event, for no user: it may read in the event's tenant, and change nothing.
 */
export const Actor = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('user'), id: UserId, operator: z.boolean() }),
  z.object({ kind: z.literal('key'), id: id('ApiKeyId'), user: UserId }),
  z.object({ kind: z.literal('service'), id: z.string() }),
  z.object({ kind: z.literal('anonymous') }),
  z.object({ kind: z.literal('edge') }),
])
export type Actor = z.infer<typeof Actor>

/**
 * On whose behalf a call is made, and in which tenant. `scopes` narrows what the role allows (API keys); null means all of it. `plan` is the tenant's when the request
 * began; null without a tenant, and where nobody looked it up: for a service.
 */
export const Identity = z.object({
  actor: Actor,
  tenant: TenantId.nullable(),
  plan: Plan.nullable(),
  role: Role.nullable(),
  scopes: z.array(z.string()).nullable(),
})
export type Identity = z.infer<typeof Identity>

export const anonymous: Identity = { actor: { kind: 'anonymous' }, tenant: null, plan: null, role: null, scopes: null }
export const edge: Identity = { actor: { kind: 'edge' }, tenant: null, plan: null, role: null, scopes: null }

/** How far the clocks of two processes may differ, in ms. */
const skew = 30_000

export interface IdentityTokens {
  /** A token that vouches for `identity` towards the domain `audience`, until `deadline` (epoch ms) and the skew of clocks. */
  mint(identity: Identity, audience: string, deadline: number): string
  /** The identity, or UNAUTHENTICATED when the token is not ours, is meant for another domain, or is over. */
  verify(token: string, audience: string): Identity
}

/** Signs and verifies the identity that travels with every call, in-process calls included (JWT, RFC 7519, HS256 with a key derived from `secret`). */
export function identityTokens(secret: string): IdentityTokens {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'offshoot internal identity', 32))
  const sign = createSigner({ key, algorithm: 'HS256', noTimestamp: true })
  const verify = createVerifier({
    key,
    algorithms: ['HS256'],
    requiredClaims: ['exp', 'aud', 'identity'],
    clockTolerance: skew,
  })
  return {
    mint: (identity, audience, deadline) => sign({ identity, aud: audience, exp: Math.ceil(deadline / 1000) }),
    verify(token, audience) {
      try {
        const claims = verify(token)
        if (claims.aud !== audience) throw new Error(`The token is meant for '${claims.aud}'.`)
        return Identity.parse(claims.identity)
      } catch (cause) {
        throw new Problem('UNAUTHENTICATED', 'BAD_INTERNAL_TOKEN', 'The call carries no valid identity.', { cause })
      }
    },
  }
}
