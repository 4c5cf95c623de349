import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { domains } from '@offshoot/gateway/domains'
import { gateway, type Topology, together } from '@offshoot/host/topology'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../database.ts'
import { deployables, roles } from '../infrastructure/deployables.ts'
import { infrastructure } from '../infrastructure/generated.ts'
import {
  type Manifest,
  type Overlay,
  render,
  renderOverlays,
  schemaProblems,
  whyNotRendered,
} from '../infrastructure/manifests.ts'
import { connections } from '../infrastructure/network.ts'
import { overlayProblems } from '../infrastructure/rules.ts'
import { callsOf } from '../module-diagram.ts'

const temporary = mkdtempSync(join(tmpdir(), 'offshoot-infrastructure-'))
afterAll(() => rmSync(temporary, { recursive: true }))

/** Every domain in an app of its own, as far from together as can be. */
const apart: Topology = {
  apps: Object.fromEntries(domains.map(({ name }, index) => [name, { port: 4101 + index, domains: [name] }])),
}
/** A domain that calls another, and one that it does not call; a product may have none. */
const calls = callsOf(domains)
const [caller = '', called = ''] = calls[0] ?? []
const other =
  domains.find(({ name }) => name !== caller && !calls.some(([from, to]) => from === caller && to === name))?.name ?? ''

/** What an extraction of each domain would write, in a copy. */
function written(topology: Topology): string {
  const directory = join(temporary, 'infra/kubernetes')
  cpSync(join(root, 'infra/kubernetes'), directory, { recursive: true })
  for (const { path, text } of infrastructure(domains, topology)) {
    mkdirSync(dirname(join(temporary, path)), { recursive: true })
    writeFileSync(join(temporary, path), text)
  }
  return directory
}

const missing = whyNotRendered()
if (missing) console.warn(`Skipped: the manifests of Kubernetes. ${missing}`)

describe.skipIf(missing)('Kubernetes', () => {
  let overlays: Overlay[]
  let services: Overlay[]
  beforeAll(async () => {
    overlays = await renderOverlays()
    services = [await render(`${written(apart)}/overlays/production`)]
  })

  it('has every environment right, with all domains together and with each apart', async () => {
    expect(overlays.map(({ path }) => path.split('/').at(-1))).toEqual(['dev', 'production', 'staging'])
    expect(await schemaProblems([...overlays, ...services])).toEqual([])
    expect(overlays.flatMap((overlay) => overlayProblems(overlay, deployables(domains, together)))).toEqual([])
    expect(services.flatMap((overlay) => overlayProblems(overlay, deployables(domains, apart)))).toEqual([])
  })

  it('lets the gateway call every service, a service those that its domain uses, and nobody anybody else', () => {
    const names = domains.map(({ name }) => name)
    const pairs = [
      ...names.map((name) => [gateway, name]),
      ...domains.flatMap(({ name, definition }) =>
        Object.keys(definition.uses ?? {})
          .filter((used) => names.includes(used))
          .map((used) => [name, used]),
      ),
    ]
    const arrows = pairs.flatMap(([from, to]) => roles.map((role) => `${from}-${role} > ${to}-http:4100`))
    for (const { objects } of services) {
      const between = [...connections(objects)].filter((arrow) =>
        /^[\w-]+-(http|worker) > [\w-]+-(http|worker):/.test(arrow),
      )
      expect(between.sort()).toEqual(arrows.sort())
    }
  })

  it('finds fields that no schema has, and values and kinds that it does not take', async () => {
    const planted = edited(overlays, 'staging', (objects) => {
      const { containers } = find(objects, 'Deployment gateway-http').spec.template.spec
      containers[0].readinessProb = containers[0].readinessProbe
      find(objects, 'HorizontalPodAutoscaler gateway-http').spec.maxReplicas = 'four'
      find(objects, 'Service gateway-http').kind = 'Servce'
    })
    const said = (await schemaProblems([planted])).map(({ message }) => message)
    expect(said).toContainEqual(
      expect.stringMatching(/^Deployment gateway-http: .*'"readinessProb"' does not exist in type 'IContainer'/),
    )
    expect(said).toContainEqual(
      expect.stringMatching(/^HorizontalPodAutoscaler gateway-http: .*maxReplicas must be integer/),
    )
    expect(said).toContain('Servce gateway-http: v1 has no kind Servce')
  })

  type Plant = [what: string, plant: (objects: Manifest[]) => unknown, said: string]
  const container = (objects: Manifest[], name = 'Deployment gateway-http') =>
    find(objects, name).spec.template.spec.containers[0]
  const settings = (objects: Manifest[]) =>
    objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('settings'))!.data
  const without = (objects: Manifest[], name: string) => objects.splice(objects.indexOf(find(objects, name)), 1)

  it.each<Plant>([
    [
      'a container as root',
      (o) => (container(o).securityContext.runAsUser = 0),
      'Deployment gateway-http: container app: runs as root (securityContext.runAsUser)',
    ],
    [
      'a pod that may be root',
      (o) => (find(o, 'Job migrate').spec.template.spec.securityContext.runAsNonRoot = false),
      'Job migrate: securityContext.runAsNonRoot must be true',
    ],
    [
      'a user without a number',
      (o) => delete find(o, 'Job migrate').spec.template.spec.securityContext.runAsUser,
      'Job migrate: securityContext.runAsUser must be a number above 0',
    ],
    [
      'a file system that can be written',
      (o) => delete container(o).securityContext.readOnlyRootFilesystem,
      'container app: securityContext.readOnlyRootFilesystem must be true; mount an emptyDir where it writes',
    ],
    [
      'a capability',
      (o) => (container(o).securityContext.capabilities.add = ['NET_ADMIN']),
      'capabilities must drop ALL and add none',
    ],
    [
      'a pod with a token of the API',
      (o) => delete find(o, 'Job migrate').spec.template.spec.automountServiceAccountToken,
      'Job migrate: automountServiceAccountToken must be false',
    ],
    [
      'system calls without a filter',
      (o) => delete find(o, 'Deployment gateway-http').spec.template.spec.securityContext.seccompProfile,
      'Deployment gateway-http: securityContext.seccompProfile.type must be RuntimeDefault',
    ],
    [
      'a pod on the network of its host',
      (o) => (find(o, 'Deployment gateway-http').spec.template.spec.hostNetwork = true),
      'Deployment gateway-http: must not share what is the host’s',
    ],
    [
      'a privileged container',
      (o) => (container(o).securityContext.privileged = true),
      'container app: must be neither root nor privileged',
    ],
    [
      'a container that may gain rights',
      (o) => delete container(o).securityContext.allowPrivilegeEscalation,
      'container app: securityContext.allowPrivilegeEscalation must be false',
    ],
    [
      'a token of the API',
      (o) => delete find(o, 'ServiceAccount gateway-app').automountServiceAccountToken,
      'ServiceAccount gateway-app: automountServiceAccountToken must be false',
    ],
    [
      'no limit of memory',
      (o) => delete container(o).resources.limits,
      'container app: resources must request cpu and memory, and limit memory',
    ],
    [
      'a role that is not deployed',
      (o) => without(o, 'Deployment gateway-worker'),
      'Deployment gateway-worker: is missing; the topology has its app',
    ],
    [
      'an app that is none',
      (o) => (find(o, 'Deployment gateway-worker').metadata.name = 'shop-worker'),
      'Deployment shop-worker: is no app of the topology in one of its roles (http, worker)',
    ],
    [
      'a deployment that is not scaled',
      (o) => without(o, 'HorizontalPodAutoscaler gateway-http'),
      'Deployment gateway-http: is scaled by no HorizontalPodAutoscaler',
    ],
    [
      'no disruption budget',
      (o) => without(o, 'PodDisruptionBudget gateway-http'),
      'Deployment gateway-http: has no PodDisruptionBudget of its name',
    ],
    [
      'a path that nobody serves',
      (o) => (container(o).livenessProbe.httpGet.path = '/healthz'),
      'Deployment gateway-http: livenessProbe asks for /healthz, which the host does not serve',
    ],
    [
      'no readiness',
      (o) => delete container(o).readinessProbe,
      'Deployment gateway-http: has no readinessProbe by httpGet',
    ],
    [
      'readiness that is only being alive',
      (o) => (container(o).readinessProbe.httpGet.path = '/livez'),
      'Deployment gateway-http: readinessProbe asks for /livez instead of /readyz',
    ],
    [
      'a probe of a port without a name',
      (o) => (container(o).startupProbe.httpGet.port = 'admin'),
      'Deployment gateway-http: startupProbe asks at the port admin, which the container does not name',
    ],
    [
      'metrics elsewhere',
      (o) => (find(o, 'PodMonitor processes').spec.podMetricsEndpoints[0].path = '/prometheus'),
      'PodMonitor processes: scrapes /prometheus, which the host does not serve',
    ],
    [
      'a port that is not the setting’s',
      (o) => (settings(o).INTERNAL_PORT = '9464'),
      'Deployment gateway-http: names 4100 as its port internal; its settings say otherwise',
    ],
    [
      'no time to stop',
      (o) => (find(o, 'Deployment gateway-http').spec.template.spec.terminationGracePeriodSeconds = 12),
      'must sleep before it stops',
    ],
    [
      'a setting that nobody reads',
      (o) => (settings(o).LOG_LEVLE = 'info'),
      'Deployment gateway-http: names LOG_LEVLE, which no process reads; see .env.example',
    ],
    [
      'a setting that cannot be',
      (o) => (settings(o).LOG_LEVEL = 'loud'),
      'Deployment gateway-http: LOG_LEVEL: must be one of fatal',
    ],
    [
      'a setting that is missing',
      (o) => delete settings(o).PUBLIC_URL,
      'Deployment gateway-http: PUBLIC_URL: must be set in production',
    ],
    [
      'a secret that nobody reads',
      (o) => find(o, 'ExternalSecret secrets').spec.data.push({ secretKey: 'STRIPE_KEY', remoteRef: { key: 'x' } }),
      'names STRIPE_KEY, which no process reads',
    ],
    [
      'the administrator’s URL for a process',
      (o) => find(o, 'ExternalSecret secrets').spec.data.push({ secretKey: 'DATABASE_URL', remoteRef: { key: 'x' } }),
      'is told DATABASE_URL, the administrator’s: only the migration is',
    ],
    [
      'a role that is another’s',
      (o) => (container(o).env[0].value = 'worker'),
      'Deployment gateway-http: has the ROLE worker',
    ],
    [
      'a secret that is not there',
      (o) => without(o, 'ExternalSecret gateway-databases'),
      'Deployment gateway-http: reads the Secret gateway-databases, which is not there',
    ],
    [
      'settings that are not there',
      (o) => (container(o).envFrom.find(({ configMapRef }: Manifest) => configMapRef).configMapRef.name = 'defaults'),
      'Deployment gateway-http: reads the ConfigMap defaults, which is not there',
    ],
    [
      'a topology that is not there',
      (o) => without(o, 'ConfigMap topology'),
      'mounts the ConfigMap topology, which is not there',
    ],
    [
      'an account that is not there',
      (o) => without(o, 'ServiceAccount gateway-app'),
      'Deployment gateway-http: names the ServiceAccount gateway-app, which is not there',
    ],
    [
      'scaling of what is not there',
      (o) => (find(o, 'HorizontalPodAutoscaler gateway-http').spec.scaleTargetRef.name = 'shop'),
      'HorizontalPodAutoscaler gateway-http: scales shop, which is not there',
    ],
    [
      'a disruption budget for everybody',
      (o) => (find(o, 'PodDisruptionBudget gateway-http').spec.selector.matchLabels = {}),
      'PodDisruptionBudget gateway-http: is for the pods of one workload by {}, which is not there',
    ],
    [
      'a service for nobody',
      (o) => (find(o, 'Service gateway-public').spec.selector = { app: 'shop' }),
      'Service gateway-public: leads to the pods of one workload by {"app":"shop"}, which is not there',
    ],
    [
      'an entrance without a service',
      (o) => without(o, 'Service gateway-public'),
      'Ingress public: leads to the Service gateway-public, which is not there',
    ],
    [
      'a host name that is not the product’s',
      (o) => (settings(o).PUBLIC_URL = 'https://elsewhere.example.com'),
      'Ingress public: is for staging.shop.example.com, and PUBLIC_URL is at elsewhere.example.com',
    ],
    [
      'a service that leads nowhere',
      (o) => (find(o, 'Service gateway-public').spec.ports[0].targetPort = 'https'),
      'Service gateway-public: leads to the port https, which is not there',
    ],
    [
      'an image that nobody builds',
      (o) => (container(o).image = 'ghcr.io/acme/shop:1'),
      'Deployment gateway-http: runs ghcr.io/acme/shop:1; its image is',
    ],
    ['an image without a version', (o) => (container(o).image += ':latest'), 'must name a version'],
    [
      'a policy too few',
      (o) => without(o, 'NetworkPolicy databases'),
      'NetworkPolicy: migrate > PostgreSQL is needed, and nothing allows it',
    ],
    [
      'no policy that forbids',
      (o) => without(o, 'NetworkPolicy nobody'),
      'NetworkPolicy: anywhere > migrate:* is allowed, and neither the topology nor a setting asks for it',
    ],
    [
      'a port too many',
      (o) => find(o, 'NetworkPolicy telemetry').spec.egress[0].ports.push({ port: 443 }),
      'NetworkPolicy: gateway-http > monitoring:443 is allowed',
    ],
    [
      'databases anywhere',
      (o) => (find(o, 'NetworkPolicy databases').spec.egress[0].to = [{ ipBlock: { cidr: '0.0.0.0/0' } }]),
      'NetworkPolicy: gateway-http > anywhere:5432 is allowed',
    ],
    [
      'a setting that no policy lets through',
      (o) => without(o, 'NetworkPolicy mail'),
      'NetworkPolicy: gateway-http > mail is needed, and nothing allows it',
    ],
  ])('finds %s', (_, plant, said) => {
    const planted = edited(overlays, 'staging', plant)
    expect(messages(overlayProblems(planted, deployables(domains, together)))).toContainEqual(
      expect.stringContaining(said),
    )
  })

  const plantsApart: Plant[] = [
    [
      'an arrow too few',
      (o) => without(o, `NetworkPolicy ${caller}-calls`),
      `NetworkPolicy: ${caller}-worker > ${called}-http:4100 is needed, and nothing allows it`,
    ],
    [
      'one that only one side allows',
      (o) => without(o, `NetworkPolicy ${called}-serves`),
      `NetworkPolicy: ${caller}-http > ${called}-http:4100 is needed, and nothing allows it`,
    ],
    [
      'an arrow too many',
      (o) => {
        find(o, `NetworkPolicy ${caller}-calls`).spec.egress[0].to[0].podSelector.matchExpressions[0].values.push(other)
        find(o, `NetworkPolicy ${other}-serves`).spec.ingress[0].from[0].podSelector.matchExpressions[0].values.push(
          caller,
        )
      },
      `NetworkPolicy: ${caller}-http > ${other}-http:4100 is allowed, and neither the topology nor a setting asks for it`,
    ],
    [
      'an address that is missing',
      (o) => {
        for (const { kind, data } of o) if (kind === 'ConfigMap') delete data.GATEWAY_URL
      },
      `Deployment ${caller}-http: GATEWAY_URL: must be set, since it is an app of the topology`,
    ],
    [
      'another’s database',
      (o) =>
        find(o, `ExternalSecret ${caller}-databases`).spec.data.push({
          secretKey: `${other.toUpperCase()}_DATABASE_URL`,
          remoteRef: { key: 'x' },
        }),
      `Deployment ${caller}-http: is told ${other.toUpperCase()}_DATABASE_URL, which is not a database of ${caller}`,
    ],
  ]
  it.each(caller && other ? plantsApart : [])('finds, with domains apart, %s', (_, plant, said) => {
    const planted = edited(services, 'production', plant)
    expect(messages(overlayProblems(planted, deployables(domains, apart)))).toContainEqual(
      expect.stringContaining(said),
    )
  })
})

const messages = (problems: readonly { message: string }[]) => problems.map(({ message }) => message)

function find(objects: readonly Manifest[], wanted: string): Manifest {
  const found = objects.find(({ kind, metadata }) => `${kind} ${metadata.name}` === wanted)
  if (!found)
    throw new Error(
      `There is no ${wanted}: ${objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).join(', ')}`,
    )
  return found
}

function edited(overlays: readonly Overlay[], name: string, edit: (objects: Manifest[]) => unknown): Overlay {
  const overlay = structuredClone(overlays.find(({ path }) => path.endsWith(`/${name}`))!)
  edit(overlay.objects)
  return overlay
}

describe('a machine that cannot render manifests', () => {
  it('says what it needs', () => {
    const directory = join(temporary, 'bin')
    mkdirSync(directory)
    expect(whyNotRendered({ PATH: directory })).toContain('kubectl is not installed')
    writeFileSync(join(directory, 'kubectl'), `#!/bin/sh\necho '{"kustomizeVersion":"v2.0.3"}'\n`, { mode: 0o755 })
    expect(whyNotRendered({ PATH: `${directory}:/bin` })).toContain('kubectl is too old: its kustomize is v2.0.3')
  })
})
