/**
 * What of `infra/` is written from the topology and the domains: a list of apps, and for each who may talk to whom and which databases are its own. How an app runs is the same for all
 * and written by hand, in `infra/kubernetes/app`.
 */
import { globSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Domain } from '@offshoot/host'
import { gateway, type Topology } from '@offshoot/host/topology'
import type { Problem } from '../check/workspace.ts'
import { root } from '../database.ts'
import type { GeneratedFile } from '../telemetry/generated.ts'
import { type Deployable, deployables, ports, urls } from './deployables.ts'

const directory = 'infra/kubernetes/apps'
const written = '# Written by `npm run check -- --write` from topology.json and the domains.\n'
const kustomization = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
`

export function infrastructure(domains: readonly Domain[], topology: Topology): GeneratedFile[] {
  const apps = deployables(domains, topology)
  const arrows = apps.flatMap((one) => [serves(one, apps), calls(one)]).join('')
  return [
    { path: `${directory}/kustomization.yaml`, text: list(apps, topology, arrows !== '') },
    ...(arrows ? [{ path: `${directory}/arrows.yaml`, text: written + arrows }] : []),
    ...apps.map((one) => ({ path: `${directory}/${one.app}/kustomization.yaml`, text: app(one) })),
    { path: composeFile, text: compose(apps, readFileSync(join(root, composeFile), 'utf8')) },
  ]
}

/** Files that were written for apps that are no more; with `remove` they are gone. */
export function leftovers(files: readonly GeneratedFile[], remove: boolean): Problem[] {
  const paths = new Set(files.map(({ path }) => path))
  const old = globSync(`${directory}/**/*.*`, { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !paths.has(path))
  if (!remove)
    return old.map((file) => ({
      file,
      message:
        'is not written for an app of the topology; npm run check -- --write removes it. What is yours belongs into an overlay',
    }))
  for (const path of old) {
    rmSync(join(root, path))
    const folder = dirname(join(root, path))
    if (readdirSync(folder).length === 0) rmdirSync(folder)
  }
  return []
}

function list(apps: readonly Deployable[], topology: Topology, arrows: boolean): string {
  const settings = Object.entries(urls(apps, (app) => `${app}-http`))
  const addresses = settings.map(([name, url]) => `      - ${name}=${url}\n`).join('')
  return `${written}${kustomization}resources:
${apps.map(({ app }) => `  - ${app}\n`).join('')}${arrows ? '  - arrows.yaml\n' : ''}configMapGenerator:
  # Under one name: processes follow a change of it without a restart. With a label, so that it can be the last that is applied.
  - name: topology
    options: { disableNameSuffixHash: true, labels: { app.kubernetes.io/component: topology } }
    literals:
      - topology.json=${JSON.stringify(topology)}
  - name: addresses
${addresses ? `    literals:\n${addresses}` : ''}`
}

const app = ({ app, image, databases }: Deployable) => `${written}${kustomization}namePrefix: ${app}-
resources: [../../app]
${app === gateway ? 'components: [../../app/edge]\n' : ''}labels:
  - pairs: { app.kubernetes.io/name: ${app} }
    includeSelectors: true
images:
  - { name: app, newName: ${image} }
patches:
  - target: { kind: ExternalSecret, name: databases }
    patch: |
${databases.map((name) => `      - { op: add, path: /spec/data/-, value: { secretKey: ${name}, remoteRef: { key: ${name} } } }\n`).join('')}`

const policy = (name: string) => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name} }
spec:
`
const port = `      ports: [{ port: internal }]\n`
const among = (apps: readonly string[]) => `{ key: app.kubernetes.io/name, operator: In, values: [${apps.join(', ')}] }`

function serves({ app }: Deployable, apps: readonly Deployable[]): string {
  const callers = apps.filter(({ calls }) => calls.includes(app)).map((caller) => caller.app)
  if (callers.length === 0) return ''
  return `${policy(`${app}-serves`)}  podSelector: { matchLabels: { app.kubernetes.io/name: ${app}, app.kubernetes.io/component: http } }
  policyTypes: [Ingress]
  ingress:
    - from: [{ podSelector: { matchExpressions: [${among(callers)}] } }]
${port}`
}

function calls({ app, calls }: Deployable): string {
  if (calls.length === 0) return ''
  return `${policy(`${app}-calls`)}  podSelector: { matchLabels: { app.kubernetes.io/name: ${app} } }
  policyTypes: [Egress]
  egress:
    - to:
        - podSelector:
            matchLabels: { app.kubernetes.io/component: http }
            matchExpressions: [${among(calls)}]
${port}`
}

/** In the hand-written file, between the marks. */
function compose(apps: readonly Deployable[], text: string): string {
  const [, before, after] = /^(.*?# Written by [^\n]*\n).*?( {2}# Until here\..*)$/s.exec(text) ?? []
  if (before === undefined || after === undefined)
    throw new Error(`${composeFile} has no place for the apps, between '# Written by …' and '# Until here.'`)
  const addresses = Object.entries(urls(apps, (app) => app)).map(([name, url]) => `, ${name}: '${url}'`)
  const services = apps.map(
    ({ app, image, dockerfile }) => `  ${app}:
    <<: *app
    image: ${image}
    build: { context: .., dockerfile: ${dockerfile} }
    environment: { <<: *settings${addresses.join('')} }
${app === gateway ? `    ports: ['127.0.0.1:${ports.http}:${ports.http}']\n` : ''}`,
  )
  return `${before}${services.join('')}${after}`
}

const composeFile = 'infra/compose.yaml'
