/**
 * What it costs that domains are called through their contracts, with identity, validation both ways, copies and deadline, although they are in the same process: the same schema and
 * resolvers, once as the gateway has them, and once with a link that calls the use cases as they are. Asked without HTTP: of a whole request, the most that the codec can be.
 */
import { roleUrls } from '@offshoot/data/migrate'
import { flagRegistry, startFlags } from '@offshoot/flags/runtime'
import { domains } from '@offshoot/gateway/domains'
import { requestContexts } from '@offshoot/gateway/request-context'
import { publicSchema } from '@offshoot/gateway/schema'
import { createGraphQLServer } from '@offshoot/graphql'
import { createLogger, type Platform, startDomains } from '@offshoot/host'
import type { IdentityTokens, Link } from '@offshoot/rpc'
import { openDirect } from './direct-link.ts'
import { measure, median, type Variant } from './rounds.ts'

const callers = 16

interface CodecOptions {
  databaseUrl: string
  secret: string
  headers: Record<string, string>
  query: string
}

/** The ratio of the throughputs of GraphQL's server, without sockets: the median of what was measured in the same round. */
export async function codecRatio({ databaseUrl, secret, headers, query }: CodecOptions) {
  const log = createLogger({ level: 'silent', production: true })
  const flags = startFlags({ registry: flagRegistry(domains), environment: 'bench', log })
  const actions = Object.assign({}, ...domains.map(({ contract }) => contract.actions))
  const platform: Platform = {
    secret,
    publicUrl: 'http://localhost',
    production: true,
    mailer: { send: async () => {} } as never,
    flags,
    actions,
    log,
  }
  const urlOf = (domain: string) => roleUrls(databaseUrl, domain, secret).serving
  const host = await startDomains({ domains, databaseUrl: urlOf, platform })
  const direct = await openDirect(urlOf, platform)
  try {
    const variants = [
      variant('contracts', host.link, host.tokens),
      variant('directly', direct.link, { mint: () => '', verify: host.tokens.verify }),
    ] as const
    const figures = await measure(variants, { callers, rounds: 7, duration: 1_500 })
    const [through, without] = variants.map((one) => figures.get(one)!)
    const ratio = median(through!.rounds.map((figure, round) => figure / without!.rounds[round]!))
    return { ratio, perSecond: { contracts: through!.median, directly: without!.median } }
  } finally {
    await host.stop()
    await direct.close()
    flags.stop()
  }

  function variant(name: string, link: Link, tokens: IdentityTokens): Variant {
    const contextOf = requestContexts({ link, tokens, tenantHost: '{tenant}.localhost', origins: [] })
    const { signal } = new AbortController()
    const server = createGraphQLServer({
      schema: publicSchema(),
      path: '/graphql',
      production: true,
      context: () => contextOf({ requestId: 'bench-0001', headers, hostname: 'localhost', host: 'localhost', signal }),
      onUnexpected(error) {
        throw error
      },
    })
    const init = {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    }
    return {
      name,
      about: '',
      async call() {
        const response = await server.fetch('http://localhost/graphql', init, {} as never)
        const text = await response.text()
        if (!text.startsWith('{"data":')) throw new Error(text)
      },
    }
  }
}
