import type { IncomingHttpHeaders } from 'node:http'
import type { GraphQLContext } from '@offshoot/graphql'
import { identity, type ResolvedActor, sessionCookie } from '@offshoot/identity/contract'
import {
  anonymous,
  type Client,
  type Contract,
  createClient,
  edge,
  forbidden,
  type IdentityTokens,
  internal,
  type Link,
  Problem,
} from '@offshoot/rpc'

/** How long a whole request may take, in ms; each call within it has its own, shorter time. */
const requestBudget = 10_000

/** What of a request says who asks, and in which tenant. */
export interface RequestFacts {
  requestId: string
  headers: IncomingHttpHeaders
  /** The host name that the client asked for, without the port. */
  hostname: string
  /** The same with the port, when there is one. */
  host: string
  /** Aborted when the client is gone: then nobody needs what is still being worked on. */
  signal: AbortSignal
}

/**
 * Makes the contexts of requests. Who asks is looked up for every request and never remembered, so that a removed member, a lowered
 * role or a revoked key counts from the next request on, in every process. `tenantHost` is the pattern of tenants' host names, `origins`
 * are those whose pages may use a browser's cookie besides those of the host that is asked.
 */
export function requestContexts({
  link,
  tokens,
  tenantHost,
  origins,
}: {
  link: Link
  tokens: IdentityTokens
  tenantHost: string
  origins: readonly string[]
}) {
  const slugOf = slugReader(tenantHost)

  return async function contextOf({
    requestId,
    headers,
    hostname,
    host,
    signal,
  }: RequestFacts): Promise<GraphQLContext> {
    const deadline = performance.now() + requestBudget
    const resolver = createClient(identity, link, tokens, { identity: edge, deadline, requestId, signal })
    const cookie = cookieOf(headers)
    const credential = bearerOf(headers) ?? cookie
    let actor: ResolvedActor | undefined
    let failure: Problem | undefined
    if (
      credential === cookie &&
      cookie !== undefined &&
      isForeign(headers, [`http://${host}`, `https://${host}`, ...origins])
    ) {
      failure = forbidden('FOREIGN_ORIGIN', 'A page of another origin cannot use the cookie. Send a token.')
    } else if (credential !== undefined) {
      try {
        actor = (await resolver.resolveActor({ credential, slug: slugOf(headers, hostname) })) ?? undefined
        if (!actor)
          failure = new Problem(
            'UNAUTHENTICATED',
            'INVALID_CREDENTIAL',
            'The token or key is unknown, expired or revoked. Sign in again.',
          )
      } catch (error) {
        failure = error instanceof Problem ? error : internal(error)
      }
    }

    const caller = { identity: actor?.identity ?? anonymous, deadline, requestId, signal }
    const clients = new Map<Contract, Client<Contract>>()
    const clientOf = <C extends Contract>(contract: C) =>
      failure ? failingClient(contract, failure) : createClient(contract, link, tokens, caller)

    return {
      requestId,
      tenant: caller.identity.tenant,
      plan: caller.identity.plan,
      viewer() {
        if (failure) throw failure
        if (!actor) return null
        const { user, memberships, identity } = actor
        return { user, memberships, operator: identity.actor.kind === 'user' && identity.actor.operator }
      },
      client<C extends Contract>(contract: C) {
        const client = clients.get(contract) ?? clientOf(contract)
        clients.set(contract, client)
        return client as Client<C>
      },
    }
  }
}

function failingClient<C extends Contract>(contract: C, failure: Problem): Client<C> {
  return Object.fromEntries(
    Object.keys(contract.calls).map((call) => [call, () => Promise.reject(failure)]),
  ) as unknown as Client<C>
}

/** The session token or API key in `Authorization: Bearer …` (RFC 6750), which goes before the cookie. */
function bearerOf({ authorization }: IncomingHttpHeaders): string | undefined {
  if (authorization !== undefined) return (/^bearer +(\S+)$/i.exec(authorization)?.[1] ?? authorization).slice(0, 1_000)
}

function cookieOf({ cookie }: IncomingHttpHeaders): string | undefined {
  return cookie
    ?.split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${sessionCookie}=`))
    ?.slice(sessionCookie.length + 1, sessionCookie.length + 1_001)
}

/** Whether a browser says that a page of another origin made it send this. Programs say nothing, and have no cookie by accident. */
function isForeign({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders, ours: readonly string[]): boolean {
  return origin === undefined ? site === 'cross-site' : !ours.includes(origin)
}

/** The slug that a request names: by the header `x-tenant`, or by its host name. */
function slugReader(tenantHost: string) {
  const [before = '', after = ''] = tenantHost.split('{tenant}')
  return (headers: IncomingHttpHeaders, hostname: string): string | null => {
    const named = headers['x-tenant']
    if (typeof named === 'string' && named !== '') return named.slice(0, 100)
    const host = hostname.toLowerCase()
    const length = host.length - before.length - after.length
    return length > 0 && host.startsWith(before) && host.endsWith(after)
      ? host.slice(before.length, before.length + length).slice(0, 100)
      : null
  }
}
