/** What is deployed, and who calls whom: read from `topology.json` and the domains. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transport } from '@offshoot/data/migrate'
import type { Domain } from '@offshoot/host'
import { appOf, gateway, hostedBy, settingOf, type Topology } from '@offshoot/host/topology'
import { root } from '../database.ts'
import { callsOf } from '../module-diagram.ts'

/** An app, which is an image, and runs as one process per role. */
export interface Deployable {
  app: string
  /** Without a registry: `<product>-<app>`. */
  image: string
  /** Below the root. */
  dockerfile: string
  /** The other apps that it calls, in the order of the topology. */
  calls: string[]
  /** The settings that say how it reaches its databases. */
  databases: string[]
}

export const roles = ['http', 'worker'] as const

/** Where an app serves the others, its metrics and its health (`INTERNAL_PORT`), and the gateway the public (`PORT`). */
export const ports = { internal: 4100, http: 4000 }

const product: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).name

/** The gateway first. */
export function deployables(domains: readonly Domain[], topology: Topology): Deployable[] {
  const apps = [gateway, ...Object.keys(topology.apps)]
  const calls = callsOf(domains).map(([from, to]) => [appOf(topology, from), appOf(topology, to)])
  return apps.map((app) => ({
    app,
    image: `${product}-${app}`,
    dockerfile: app === gateway ? 'Dockerfile' : `apps/${app}/Dockerfile`,
    // The gateway has the schema, which calls every domain, and passes on their routes.
    calls: apps.filter(
      (other) => other !== app && (app === gateway || calls.some(([from, to]) => from === app && to === other)),
    ),
    // The gateway waits for the databases of all domains, so that each can come back to it.
    databases: [
      ...(app === gateway ? domains : hostedBy(topology, app, domains)).map(({ name }) => name),
      transport,
    ].map((name) => `${name.toUpperCase()}_DATABASE_URL`),
  }))
}

/** How apps find each other where each has a name: by setting, the URL; none while there is one app only. */
export function urls(apps: readonly Deployable[], host: (app: string) => string): Record<string, string> {
  if (apps.length === 1) return {}
  return Object.fromEntries(apps.map(({ app }) => [settingOf(app), `http://${host(app)}:${ports.internal}`]))
}
