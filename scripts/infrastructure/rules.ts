/** What must hold of the manifests of an environment besides their schemas: they are derived from the code, or compared with it. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gateway } from '@offshoot/host/topology'
import type { Problem } from '../check/workspace.ts'
import { root } from '../database.ts'
import { type Deployable, ports, roles } from './deployables.ts'
import { environmentProblems } from './environment.ts'
import { type Manifest, nameOf, type Overlay } from './manifests.ts'
import { networkProblems } from './network.ts'
import { Overview, workloads } from './overview.ts'

/** Everything that is wrong with an environment in which these apps run. */
export function overlayProblems({ path, objects }: Overlay, apps: readonly Deployable[]): Problem[] {
  const all = new Overview(objects, apps)
  return [
    ...deployed(all),
    ...objects.flatMap((object) => [...hardened(object), ...probed(object, all)]),
    ...references(all),
    ...images(all),
    ...environments(all),
    ...networkProblems(all),
  ].map((message) => ({ file: path, message }))
}

/** Each app runs in each role, is scaled and kept up, and nothing else runs under an app's name. */
function deployed(all: Overview): string[] {
  const wanted = all.apps.flatMap(({ app }) => roles.map((role) => `${app}-${role}`))
  const present = all.of('Deployment').map(({ metadata }) => metadata.name)
  return [
    ...wanted
      .filter((name) => !present.includes(name))
      .map((name) => `Deployment ${name}: is missing; the topology has its app`),
    ...present
      .filter((name) => !wanted.includes(name))
      .map((name) => `Deployment ${name}: is no app of the topology in one of its roles (${roles.join(', ')})`),
    ...present.flatMap((name) => [
      ...(all.of('HorizontalPodAutoscaler').some(({ spec }) => spec.scaleTargetRef.name === name)
        ? []
        : [`Deployment ${name}: is scaled by no HorizontalPodAutoscaler`]),
      ...(all.has(name, 'PodDisruptionBudget') ? [] : [`Deployment ${name}: has no PodDisruptionBudget of its name`]),
    ]),
  ]
}

/** No process has a right that it does not need. */
function hardened(object: Manifest): string[] {
  if (object.kind === 'ServiceAccount')
    return object.automountServiceAccountToken === false
      ? []
      : [`${nameOf(object)}: automountServiceAccountToken must be false: nobody speaks to the API of Kubernetes`]
  if (!workloads.includes(object.kind)) return []
  const pod = object.spec.template.spec
  const must: [boolean, string][] = [
    [pod.automountServiceAccountToken === false, 'automountServiceAccountToken must be false'],
    [pod.securityContext?.runAsNonRoot === true, 'securityContext.runAsNonRoot must be true'],
    [
      pod.securityContext?.runAsUser > 0,
      'securityContext.runAsUser must be a number above 0: the user of an image has a name, of which Kubernetes cannot tell whether it is root',
    ],
    [
      pod.securityContext?.seccompProfile?.type === 'RuntimeDefault',
      'securityContext.seccompProfile.type must be RuntimeDefault',
    ],
    [
      !pod.hostNetwork && !pod.hostPID && !pod.hostIPC,
      'must not share what is the host’s (hostNetwork, hostPID, hostIPC)',
    ],
    ...[...(pod.initContainers ?? []), ...pod.containers].flatMap(
      ({ name, securityContext: own = {}, resources = {} }): [boolean, string][] => [
        [
          own.runAsUser === undefined || own.runAsUser > 0,
          `container ${name}: runs as root (securityContext.runAsUser)`,
        ],
        [own.runAsNonRoot !== false && !own.privileged, `container ${name}: must be neither root nor privileged`],
        [
          own.allowPrivilegeEscalation === false,
          `container ${name}: securityContext.allowPrivilegeEscalation must be false`,
        ],
        [
          own.readOnlyRootFilesystem === true,
          `container ${name}: securityContext.readOnlyRootFilesystem must be true; mount an emptyDir where it writes`,
        ],
        [
          own.capabilities?.drop?.includes('ALL') && !own.capabilities.add,
          `container ${name}: securityContext.capabilities must drop ALL and add none`,
        ],
        [
          resources.requests?.cpu && resources.requests?.memory && resources.limits?.memory,
          `container ${name}: resources must request cpu and memory, and limit memory`,
        ],
      ],
    ),
  ]
  return must.filter(([holds]) => !holds).map(([, message]) => `${nameOf(object)}: ${message}`)
}

const served = new Set(
  globSync('packages/platform/host/src/*.ts', { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/\.get\('(\/\w+)'/g)].map(([, path]) => path!),
  ),
)

/** Asked for what the code serves, on a port that the process has. */
function probed(object: Manifest, all: Overview): string[] {
  const say = (message: string) => `${nameOf(object)}: ${message}`
  if (object.kind === 'PodMonitor')
    return object.spec.podMetricsEndpoints
      .filter(({ path }: { path: string }) => !served.has(path))
      .map(({ path }: { path: string }) => say(`scrapes ${path}, which the host does not serve`))
  if (object.kind !== 'Deployment') return []
  const { spec } = object.spec.template
  const [container] = spec.containers
  const probes = { startupProbe: '/livez', livenessProbe: '/livez', readinessProbe: '/readyz' }
  const named = new Map<string, number>(
    container.ports.map(({ name, containerPort }: { name: string; containerPort: number }) => [name, containerPort]),
  )
  const settings = all.environmentOf(object)
  const stopping = container.lifecycle?.preStop?.sleep?.seconds ?? 0
  return [
    ...Object.entries(probes).flatMap(([probe, path]) => {
      const asked = container[probe]?.httpGet
      if (!asked) return [say(`has no ${probe} by httpGet`)]
      if (!served.has(asked.path)) return [say(`${probe} asks for ${asked.path}, which the host does not serve`)]
      if (asked.path !== path) return [say(`${probe} asks for ${asked.path} instead of ${path}`)]
      return named.has(asked.port)
        ? []
        : [say(`${probe} asks at the port ${asked.port}, which the container does not name`)]
    }),
    ...[...named]
      .filter(
        ([name, port]) => port !== Number(name === 'internal' ? settings.INTERNAL_PORT : (settings.PORT ?? ports.http)),
      )
      .map(([name, port]) =>
        say(`names ${port} as its port ${name}; its settings say otherwise (INTERNAL_PORT, PORT)`),
      ),
    ...(stopping > 0 && spec.terminationGracePeriodSeconds >= stopping + 15
      ? []
      : [say('must sleep before it stops (lifecycle.preStop), and have at least 15 s more until it is killed')]),
  ]
}

/** Nothing names what is not there. */
function references(all: Overview): string[] {
  const pods = all.of(...workloads).map(({ spec }) => spec.template)
  const selected = (selector: Record<string, string>) =>
    pods.filter(({ metadata }) => Object.entries(selector).every(([key, value]) => metadata.labels[key] === value))
  return all.objects.flatMap((object) => {
    const { kind, spec } = object
    const missing: string[] = []
    const need = (there: boolean, what: string) =>
      there || missing.push(`${nameOf(object)}: ${what}, which is not there`)
    if (workloads.includes(kind)) {
      const pod = spec.template.spec
      if (pod.serviceAccountName)
        need(all.has(pod.serviceAccountName, 'ServiceAccount'), `names the ServiceAccount ${pod.serviceAccountName}`)
      for (const { configMapRef, secretRef } of pod.containers.flatMap(({ envFrom = [] }) => envFrom)) {
        if (configMapRef) need(all.has(configMapRef.name, 'ConfigMap'), `reads the ConfigMap ${configMapRef.name}`)
        if (secretRef) need(all.has(secretRef.name, 'Secret', 'ExternalSecret'), `reads the Secret ${secretRef.name}`)
      }
      for (const { configMap } of pod.volumes ?? [])
        if (configMap) need(all.has(configMap.name, 'ConfigMap'), `mounts the ConfigMap ${configMap.name}`)
    }
    if (kind === 'HorizontalPodAutoscaler')
      need(all.has(spec.scaleTargetRef.name, spec.scaleTargetRef.kind), `scales ${spec.scaleTargetRef.name}`)
    if (kind === 'PodDisruptionBudget')
      need(
        selected(spec.selector.matchLabels).length === 1,
        `is for the pods of one workload by ${JSON.stringify(spec.selector.matchLabels)}`,
      )
    if (kind === 'Service') {
      const behind = selected(spec.selector)
      need(behind.length === 1, `leads to the pods of one workload by ${JSON.stringify(spec.selector)}`)
      const open = behind.flatMap(({ spec }) => spec.containers[0].ports.map(({ name }: { name: string }) => name))
      for (const { targetPort } of spec.ports) need(open.includes(targetPort), `leads to the port ${targetPort}`)
    }
    if (kind === 'Ingress') {
      const rules: { host: string; http: { paths: { backend: { service: { name: string } } }[] } }[] = spec.rules
      for (const { backend } of rules.flatMap(({ http }) => http.paths))
        need(all.has(backend.service.name, 'Service'), `leads to the Service ${backend.service.name}`)
      const edge = all.of('Deployment').find(({ metadata }) => metadata.name === `${gateway}-http`)
      const { hostname } = new URL((edge && all.environmentOf(edge).PUBLIC_URL) ?? 'http://nowhere')
      for (const host of [
        ...rules.map((rule) => rule.host),
        ...spec.tls.flatMap(({ hosts }: { hosts: string[] }) => hosts),
      ])
        if (![hostname, `*.${hostname}`].includes(host))
          missing.push(`${nameOf(object)}: is for ${host}, and PUBLIC_URL is at ${hostname}`)
    }
    return missing
  })
}

/** The product's images are those that its Dockerfiles make; others name a version. */
function images(all: Overview): string[] {
  return all.of(...workloads).flatMap((object) => {
    const owner = all.ownerOf(object)
    const image: string = object.spec.template.spec.containers[0].image
    const [name, tag] = image.split('/').at(-1)!.split(/[:@]/) as [string, string?]
    if (!owner) return tag && tag !== 'latest' ? [] : [`${nameOf(object)}: ${image} must name a version`]
    const made = owner === 'migrate' ? all.apps[0]! : owner
    if (name !== made.image)
      return [`${nameOf(object)}: runs ${image}; its image is ${made.image}, made by ${made.dockerfile}`]
    return tag === 'latest' ? [`${nameOf(object)}: ${image} must name a version, or none until it is deployed`] : []
  })
}

function environments(all: Overview): string[] {
  return all.of(...workloads).flatMap((object) => {
    const owner = all.ownerOf(object)
    if (!owner) return []
    const env = all.environmentOf(object)
    const administers = owner !== 'migrate' && env.DATABASE_URL && all.of('ExternalSecret').length > 0
    return [
      ...environmentProblems(env, owner, all.apps),
      ...(administers ? ['is told DATABASE_URL, the administrator’s: only the migration is'] : []),
      ...(owner !== 'migrate' && !object.metadata.name.endsWith(`-${env.ROLE}`) ? [`has the ROLE ${env.ROLE}`] : []),
    ].map((message) => `${nameOf(object)}: ${message}`)
  })
}
