import { type OperationsContext, operationsHandlers, operationsOf } from '@offshoot/events/runtime'
import { type CallServer, type IdentityTokens, serve } from '@offshoot/rpc'
import type { Domain, Platform } from './domain.ts'
import type { SystemAccess } from './system-access.ts'

/** Serves what operators may ask of a domain, beside the domain's own contract, wherever it runs. Who asked goes on record with the reason. */
export function serveOperations(
  domain: Domain,
  system: SystemAccess,
  tokens: IdentityTokens,
  platform: Platform,
): CallServer {
  return serve({
    contract: operationsOf(domain.name),
    tokens,
    handlers: operationsHandlers(domain.name),
    open({ identity: { actor } }) {
      const who = actor.kind === 'user' ? actor.id : actor.kind
      const context: OperationsContext = {
        system: async (reason) => (await system.pool())(`operator ${who}: ${reason}`),
      }
      return { context, close() {} }
    },
    onUnexpected: (error, { name, requestId, code }) =>
      platform.log.error({ err: error, call: name, requestId, code }, 'a call failed unexpectedly'),
  })
}
