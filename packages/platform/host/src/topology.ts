import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'

const name = /^[a-z][a-z0-9-]*$/

const TopologyFile = z.strictObject({
  apps: z.record(
    z.string().regex(name),
    z.strictObject({
      /** Where it listens in development. */
      port: z.int().min(1).max(65_535),
      domains: z.array(z.string().regex(name)).min(1),
    }),
  ),
})

/** Which app hosts which domain. What no app is named for is hosted by the gateway. The file `topology.json` is its one source. */
export type Topology = z.infer<typeof TopologyFile>

export const gateway = 'gateway'

/** Everything in one process. */
export const together: Topology = { apps: {} }

/** Where apps call the gateway in development, for the domains that it hosts. */
export const gatewayPort = 4100

export class TopologyError extends Error {
  override readonly name = 'TopologyError'
}

/** Reads `topology.json`; together when there is none. Throws a `TopologyError` that says what is wrong. */
export function readTopology(file: string): Topology {
  if (!existsSync(file)) return together
  try {
    return checked(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    if (error instanceof TopologyError) throw error
    throw new TopologyError(`${file} is not JSON: ${(error as Error).message}`)
  }
}

function checked(value: unknown): Topology {
  const { success, data: topology, error } = TopologyFile.safeParse(value)
  if (!success) {
    const issues = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new TopologyError(`The topology is not as it should be. ${issues.join('; ')}`)
  }
  const owners = new Map<string, string>()
  for (const [app, { domains }] of Object.entries(topology.apps)) {
    if (app === gateway) throw new TopologyError('The topology names the gateway: it hosts whatever no other app does.')
    for (const domain of domains) {
      const other = owners.get(domain)
      if (other) throw new TopologyError(`The topology has ${domain} twice: in ${other} and in ${app}.`)
      owners.set(domain, app)
    }
  }
  return topology
}

/** The app that hosts a domain. */
export function appOf({ apps }: Topology, domain: string): string {
  return Object.keys(apps).find((app) => apps[app]!.domains.includes(domain)) ?? gateway
}

/** The domains that an app hosts, of all those that the product has. */
export function hostedBy<Domain extends { name: string }>(
  topology: Topology,
  app: string,
  domains: readonly Domain[],
): Domain[] {
  return domains.filter(({ name }) => appOf(topology, name) === app)
}

/** The setting that says where an app serves calls: `ORDERS_URL`. */
export const settingOf = (app: string) => `${app.toUpperCase().replaceAll('-', '_')}_URL`
