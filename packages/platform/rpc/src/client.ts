import type { Client, Contract } from './contract.ts'
import type { Identity, IdentityTokens } from './identity.ts'
import { deadlineExceeded } from './problem.ts'
import type { CallHeaders, CallServer } from './server.ts'

/** Carries a call to the domain that serves it. Rejects with a `Problem` and nothing else. Whatever is decided on the way may depend on the caller. */
export type Link = (
  contract: Contract,
  call: string,
  input: unknown,
  headers: CallHeaders,
  caller?: Caller,
) => Promise<unknown>

/** The link to domains of this process. Values are copied and validated on the way, as on the wire, so that nothing can tell which link it used. */
export function localLink(servers: ReadonlyMap<string, CallServer>): Link {
  return (contract, call, input, headers, caller) => {
    const server = servers.get(contract.name)
    if (!server)
      throw new Error(
        `No domain here serves the contract '${contract.name}'. Host it in this app, or configure where it runs.`,
      )
    return server.handle(call, input, headers, caller?.signal)
  }
}

/** The caller's side of a unit of work: who calls, until when, and whether it may call at all just now. */
export interface Caller {
  identity: Identity
  /** When the caller's own caller stops waiting, in ms of `performance.now()`. */
  deadline: number
  requestId: string
  /** Aborted when nobody waits for the answer any more. */
  signal?: AbortSignal
  /** Throws when a call must not be made now: inside an open database transaction. */
  assertMayCall?(): void
}

/** How long a call may take when nobody set a tighter deadline, in ms. */
export const defaultBudget = 2_000

/** A client of `contract` that acts for `caller`. Make one per unit of work; it costs little. */
export function createClient<C extends Contract>(
  contract: C,
  link: Link,
  tokens: IdentityTokens,
  caller: Caller,
): Client<C> {
  const client: Record<string, (input: unknown) => Promise<unknown>> = {}
  for (const call of Object.keys(contract.calls)) {
    client[call] = async (input) => {
      caller.assertMayCall?.()
      const budget = Math.min(defaultBudget, caller.deadline - performance.now())
      if (budget <= 0) throw deadlineExceeded()
      const token = tokens.mint(caller.identity, contract.name, Date.now() + budget)
      return link(contract, call, input, { token, budget, requestId: caller.requestId }, caller)
    }
  }
  return client as Client<C>
}
