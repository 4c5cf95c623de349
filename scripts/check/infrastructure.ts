/** Whether `infra/` is what the topology, the domains and the settings say. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { domains } from '@offshoot/gateway/domains'
import { readTopology } from '@offshoot/host/topology'
import { root } from '../database.ts'
import { composeProblems } from '../infrastructure/compose.ts'
import { deployables } from '../infrastructure/deployables.ts'
import { infrastructure, leftovers } from '../infrastructure/generated.ts'
import { renderOverlays, schemaProblems } from '../infrastructure/manifests.ts'
import { overlayProblems } from '../infrastructure/rules.ts'
import { terraformModules, terraformProblems } from '../infrastructure/terraform.ts'
import { compare } from './generated.ts'
import type { Problem } from './workspace.ts'

const topology = () => readTopology(join(root, 'topology.json'))
const apps = () => deployables(domains, topology())

/** What of it is written from the topology. */
export function deployedApps(write: boolean): Problem[] {
  const files = infrastructure(domains, topology())
  return [...leftovers(files, write), ...files.flatMap(({ path, text }) => compare(path, text, write))]
}

export function checkCompose(): Problem[] {
  return [
    ...apps()
      .filter(({ dockerfile }) => !existsSync(join(root, dockerfile)))
      .map(({ dockerfile, image }) => ({ file: dockerfile, message: `is not there; it makes the image ${image}` })),
    ...composeProblems('infra/compose.yaml', apps()),
  ]
}

/** Every overlay as an environment gets it. */
export async function checkKubernetes(): Promise<Problem[]> {
  const overlays = await renderOverlays()
  const invalid = await schemaProblems(overlays)
  return invalid.length > 0 ? invalid : overlays.flatMap((overlay) => overlayProblems(overlay, apps()))
}

export async function checkTerraform(): Promise<Problem[]> {
  return (await Promise.all(terraformModules().map(terraformProblems))).flat()
}
