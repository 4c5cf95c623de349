import { openLanes } from '@offshoot/data'
import { domains } from '@offshoot/gateway/domains'
import type { Platform } from '@offshoot/host'
import { type Contract, createClient, type IdentityTokens, type Link } from '@offshoot/rpc'

/** A link that calls use cases as a function is called: nothing is checked, copied or signed, and nobody's patience ends. */
export async function openDirect(urlOf: (domain: string) => string, platform: Platform) {
  const opened = await Promise.all(
    domains.map(async ({ name, definition }) => {
      const lanes = await openLanes<any>({ url: urlOf(name), schema: name, prisma: definition.prisma })
      const calls = definition.calls(platform) as Record<string, (context: unknown, input: unknown) => Promise<unknown>>
      return [name, { lanes, calls, uses: (definition.uses ?? {}) as Record<string, Contract> }] as const
    }),
  )
  const byName = new Map(opened)
  const noTokens = { mint: () => '' } as unknown as IdentityTokens
  const link: Link = async (contract, call, input, { requestId }, caller) => {
    const { lanes, calls, uses } = byName.get(contract.name)!
    const { identity } = caller!
    const lease = identity.tenant === null ? undefined : lanes.open(identity.tenant)
    const context = {
      db: lease?.lane,
      global: lanes.global,
      tenant: identity.tenant,
      identity,
      call: { name: call, identity, requestId },
      get clients() {
        return Object.fromEntries(
          Object.entries(uses).map(([name, used]) => [name, createClient(used, link, noTokens, caller!)]),
        )
      },
    }
    try {
      return await calls[call]!(context, input)
    } finally {
      lease?.close()
    }
  }
  return { link, close: () => Promise.all(opened.map(([, { lanes }]) => lanes.close())) }
}
