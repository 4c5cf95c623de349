import { hkdfSync } from 'node:crypto'
import { createSigner, createVerifier } from 'fast-jwt'
import { z } from 'zod'
import { compiledLater } from './contract.ts'
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

/** How many tokens are remembered, of each kind. */
const mostKept = 1_000

/** Vouches for an identity. As text it is a JWT (RFC 7519, HS256). */
export interface IdentityToken {
  toString(): string
}

export interface IdentityTokens {
  /**
   * A token that vouches for `identity` towards the domain `audience`, until `deadline` (epoch ms) and the skew of clocks. It is signed when it becomes text, to leave this process;
   * within it there is nothing to sign, since nobody else can make such an object.
   */
  mint(identity: Identity, audience: string, deadline: number): IdentityToken
  /** The identity, a copy; or UNAUTHENTICATED when the token is not ours, is meant for another domain, or is over. */
  verify(token: IdentityToken, audience: string): Identity
}

interface Claims {
  identity: Identity
  aud: string
  /** Epoch seconds. */
  exp: number
}

const identityShape = compiledLater(Identity)

/** Vouches for the identity that travels with every call, in-process calls included, and verifies it; what is signed is signed with a key derived from `secret`. */
export function identityTokens(secret: string): IdentityTokens {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'offshoot internal identity', 32))
  const sign = createSigner({ key, algorithm: 'HS256', noTimestamp: true })
  const verify = createVerifier({
    key,
    algorithms: ['HS256'],
    requiredClaims: ['exp', 'aud', 'identity'],
    clockTolerance: skew,
  })

  // A token's claims are the same for a second, in which many calls are made for whoever asks much: each is signed and verified once.
  const signed = recent((claims) => sign(JSON.parse(claims)))
  const verified = recent((token): Claims => verify(token))

  /** Within this function, so that another secret's are not ours. */
  class Minted {
    readonly #claims: Claims

    constructor(identity: Identity, aud: string, deadline: number) {
      this.#claims = { identity, aud, exp: Math.ceil(deadline / 1000) }
    }

    toString(): string {
      return signed(JSON.stringify(this.#claims))
    }

    static claimsOf(token: IdentityToken) {
      const claims = typeof token === 'object' && #claims in token ? token.#claims : verified(String(token))
      if (!(claims.exp * 1000 + skew > Date.now())) throw new Error('The token has expired.')
      return claims
    }
  }

  return {
    mint: (identity, audience, deadline) => new Minted(identity, audience, deadline),
    verify(token, audience) {
      try {
        const { aud, identity } = Minted.claimsOf(token)
        if (aud !== audience) throw new Error(`The token is meant for '${aud}'.`)
        return identityShape().parse(identity)
      } catch (cause) {
        throw new Problem('UNAUTHENTICATED', 'BAD_INTERNAL_TOKEN', 'The call carries no valid identity.', { cause })
      }
    },
  }
}

/** What `work` made of one of the last inputs is not made again. */
function recent<Output>(work: (input: string) => Output): (input: string) => Output {
  const kept = new Map<string, Output>()
  return (input) => {
    const known = kept.get(input)
    if (known !== undefined) return known
    const output = work(input)
    if (kept.size === mostKept) kept.clear()
    kept.set(input, output)
    return output
  }
}
