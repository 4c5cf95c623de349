/** Which app hosts which domain, who calls whom and who hears of what: read from `topology.json` and the domains themselves. */
import type { Domain } from '@offshoot/host'
import { appOf, gateway, hostedBy, type Topology } from '@offshoot/host/topology'
import { handlersOf } from './event-catalog.ts'

/** Which domain calls which through its contract. */
export function callsOf(domains: readonly Domain[]): [from: string, to: string][] {
  const names = new Set(domains.map(({ name }) => name))
  return domains.flatMap(({ name, definition }) =>
    Object.keys(definition.uses ?? {})
      .filter((used) => names.has(used))
      .map((used): [string, string] => [name, used]),
  )
}

/** The page `docs/modules.md`. */
export function modulesPage(domains: readonly Domain[], topology: Topology): string {
  const apps = [gateway, ...Object.keys(topology.apps)].map((app) => {
    const hosted = hostedBy(topology, app, domains).map(({ name }) => `    ${name}\n`)
    return `  subgraph ${app}-app["apps/${app}"]\n${app === gateway ? '    graphql[GraphQL]\n' : ''}${hosted.join('')}  end\n`
  })
  const calls = callsOf(domains).map(([from, to]) => `  ${from} --> ${to}\n`)
  const heard = domains.flatMap((domain) => {
    const sources = handlersOf(domain).flatMap(({ reactions }) => reactions.map(({ event }) => event.source))
    return [...new Set(sources)]
      .filter((source) => source !== domain.name)
      .map((source) => `  ${source} -.-> ${domain.name}\n`)
  })
  const apart = domains.filter(({ name }) => appOf(topology, name) !== gateway).map(({ name }) => name)
  return `# Modules

Written by \`npm run check -- --write\` from \`topology.json\` and the domains. A solid arrow is a call through a contract, a dotted one an event that the other reacts to; GraphQL calls every
domain. ${apart.length === 0 ? 'All domains run in the gateway.' : `Apart from the gateway: ${apart.join(', ')}.`}

\`\`\`mermaid
flowchart LR
  clients([clients]) --> graphql
${[...apps, ...calls, ...heard].join('')}\`\`\`
`
}
