/**
 * `npm run plan`: what pipelines have to do for this change, as JSON. Where GitHub runs it, each list becomes an output of the step, and a matrix is made of it; so no pipeline names a
 * domain or an app.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { domains } from '@offshoot/gateway/domains'
import type { Domain } from '@offshoot/host'
import { readTopology, type Topology } from '@offshoot/host/topology'
import { affectedPackages } from './affected.ts'
import { orEnd } from './check/base.ts'
import { root } from './database.ts'
import { deployables } from './infrastructure/deployables.ts'

/** What runs otherwise when domains are apart. */
const divided = /^(apps\/gateway|packages\/domains\/[^/]+)$/

export interface Plan {
  /** Folders of packages to test. */
  affected: string[]
  /** How the domains are divided while their tests run once more: each alone apart, all, and all on databases of their own. */
  topologies: string[]
  /** Packages with faults to test. */
  faults: string[]
  images: { app: string; image: string; dockerfile: string }[]
}

export function planOf(
  directory: string,
  affected: readonly string[],
  domains: readonly Domain[],
  topology: Topology,
): Plan {
  const manifest = (folder: string) => JSON.parse(readFileSync(join(directory, folder, 'package.json'), 'utf8'))
  return {
    affected: [...affected],
    topologies: affected.some((folder) => divided.test(folder))
      ? [...domains.map(({ name }) => name), 'all', 'all+databases']
      : [],
    faults: affected.filter((folder) => manifest(folder).scripts?.['test:faults']).map((folder) => basename(folder)),
    images: deployables(domains, topology).map(({ app, image, dockerfile }) => ({ app, image, dockerfile })),
  }
}

if (import.meta.main) {
  const topology = readTopology(join(root, 'topology.json'))
  const affected = orEnd(() => affectedPackages(root))
  const plan = planOf(root, affected, domains, topology)
  console.log(JSON.stringify(plan, null, 2))
  const outputs = Object.entries(plan).map(([name, list]) => `${name}=${JSON.stringify(list)}\n`)
  if (process.env.GITHUB_OUTPUT) appendFileSync(process.env.GITHUB_OUTPUT, outputs.join(''))
}
