import type { Client, Contract, Plan, Role, TenantId, UserId } from '@offshoot/rpc'

/** The signed-in person, and where they belong. */
export interface Viewer {
  user: { id: UserId; name: string; email: string }
  /** One of the product's own staff, and acting as such: an API key is not. */
  operator: boolean
  memberships: { organization: { id: TenantId; slug: string; name: string; plan: Plan }; role: Role }[]
}

/** What a resolver gets: one per request. Everything that it learns or does goes through a contract's client. */
export interface GraphQLContext {
  readonly requestId: string
  /** The tenant that the request acts in; null when none was named or could be told. */
  readonly tenant: TenantId | null
  /** The tenant's plan, by which metrics are labelled; null without a tenant. */
  readonly plan: Plan | null
  /** Null when nobody is signed in. Throws the `Problem` that kept the caller from being told: a bad credential, or a tenant that is not theirs. */
  viewer(): Viewer | null
  /** The client of a contract, acting for the caller. Its calls fail with that same `Problem`. */
  client<C extends Contract>(contract: C): Client<C>
}
