/**
 * Who can reach whom, by the rules of NetworkPolicies: a connection needs to be let out by the policies of the pod that opens it and in by those of the other. A pod that no policy
 * selects for a direction is open in it; policies add up, nothing is forbidden by one.
 */
import { ports } from './deployables.ts'
import type { Manifest } from './manifests.ts'
import { type Overview, workloads } from './overview.ts'

interface Pod {
  name: string
  labels: Record<string, string>
  /** By name. */
  ports: Map<string, number>
}

interface Selector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

interface Peer {
  podSelector?: Selector
  namespaceSelector?: Selector
  ipBlock?: { cidr: string }
}

interface Rule {
  from?: Peer[]
  to?: Peer[]
  ports?: { port?: string | number }[]
}

/** Each as `gateway-http > orders-http:4100`. Outside the namespace: the name of another one, a CIDR, or `anywhere`. */
export function connections(objects: readonly Manifest[]): Set<string> {
  const pods = objects.flatMap(podOf)
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy')
  const rulesOf = (pod: Pod, direction: 'Ingress' | 'Egress'): Rule[] => {
    const own = policies.filter(
      ({ spec }) => spec.policyTypes.includes(direction) && matches(spec.podSelector, pod.labels),
    )
    return own.length === 0 ? [{}] : own.flatMap(({ spec }) => spec[direction.toLowerCase()] ?? [])
  }
  const found = new Set<string>()
  for (const pod of pods) {
    for (const { to = [{ ipBlock: everywhere }], ports = [{}] } of rulesOf(pod, 'Egress')) {
      for (const peer of to)
        for (const { port = '*' } of ports) if (isOutside(peer)) found.add(`${pod.name} > ${outside(peer)}:${port}`)
    }
    for (const { from = [{ ipBlock: everywhere }], ports = [{}] } of rulesOf(pod, 'Ingress')) {
      for (const peer of from)
        for (const { port = '*' } of ports)
          if (isOutside(peer)) found.add(`${outside(peer)} > ${pod.name}:${pod.ports.get(String(port)) ?? port}`)
    }
    for (const other of pods) {
      if (other === pod) continue
      for (const [name, number] of other.ports) {
        const lets = (rules: readonly Rule[], direction: 'from' | 'to', labels: Record<string, string>) =>
          rules.some(
            (rule) =>
              (rule[direction]?.some((peer) => isInside(peer, labels)) ?? true) &&
              (rule.ports?.some(({ port = number }) => port === number || port === name) ?? true),
          )
        if (lets(rulesOf(pod, 'Egress'), 'to', other.labels) && lets(rulesOf(other, 'Ingress'), 'from', pod.labels))
          found.add(`${pod.name} > ${other.name}:${number}`)
      }
    }
  }
  return found
}

const everywhere = { cidr: '0.0.0.0/0' }

function podOf({ kind, metadata, spec }: Manifest): Pod[] {
  if (!workloads.includes(kind)) return []
  const { containers } = spec.template.spec as { containers: { ports?: { name: string; containerPort: number }[] }[] }
  const ports = containers.flatMap(({ ports = [] }) =>
    ports.map(({ name, containerPort }) => [name, containerPort] as const),
  )
  return [{ name: metadata.name, labels: spec.template.metadata?.labels ?? {}, ports: new Map(ports) }]
}

function matches({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Record<string, string>): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      if (operator === 'In') return value !== undefined && values.includes(value)
      if (operator === 'NotIn') return value === undefined || !values.includes(value)
      return (operator === 'Exists') === (value !== undefined)
    })
  )
}

const isOutside = ({ namespaceSelector, ipBlock }: Peer) => Boolean(namespaceSelector ?? ipBlock)

/** Addresses of pods are private and may be in any block: one that takes in everything takes them in, too. */
function isInside({ podSelector, namespaceSelector, ipBlock }: Peer, labels: Record<string, string>): boolean {
  if (ipBlock) return ipBlock.cidr === everywhere.cidr && !('except' in ipBlock)
  if (namespaceSelector && !matches(namespaceSelector, {})) return false
  return matches(podSelector ?? {}, labels)
}

function outside({ namespaceSelector, ipBlock }: Peer): string {
  if (ipBlock) return ipBlock.cidr === everywhere.cidr ? 'anywhere' : ipBlock.cidr
  return namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'] ?? 'any namespace'
}

/** What a process needs outside of the product, by the settings that lead there. */
const services: { name: string; port: number; setting: RegExp }[] = [
  { name: 'PostgreSQL', port: 5432, setting: /DATABASE_URL$/ },
  { name: 'NATS', port: 4222, setting: /^NATS_URL$/ },
  { name: 'Unleash', port: 4242, setting: /^UNLEASH_URL$/ },
  { name: 'mail', port: 587, setting: /^SMTP_URL$/ },
  { name: 'the collector', port: 4318, setting: /^OTEL_EXPORTER_OTLP_.*ENDPOINT$/ },
]

/** Who can reach whom is exactly what the topology, the domains and the settings say. */
export function networkProblems(all: Overview): string[] {
  const wanted = new Set<string>()
  for (const object of all.of(...workloads)) {
    const { name } = object.metadata
    wanted.add(`${name} > kube-system:53`)
    const owner = all.ownerOf(object)
    if (!owner) continue
    const settings = Object.keys(all.environmentOf(object))
    const uses = owner === 'migrate' ? services.slice(0, 1) : services
    for (const { name: service, setting } of uses)
      if (settings.some((one) => setting.test(one))) wanted.add(`${name} > ${service}`)
    if (owner === 'migrate') continue
    wanted.add(`monitoring > ${name}:${ports.internal}`)
    for (const called of owner.calls) wanted.add(`${name} > ${called}-http:${ports.internal}`)
  }
  wanted.add(`ingress > ${all.apps[0]!.app}-http:${ports.http}`)

  const product = new Set(all.of('Deployment').map(({ metadata }) => metadata.name))
  const present = new Set(
    [...connections(all.objects)].map((connection) => {
      const [, from, to, port] = /^(.+) > (.+):(.+)$/.exec(connection)!
      const service = services.find((one) => String(one.port) === port)
      if (!service || product.has(to!) || (to === 'anywhere' && service.name !== 'mail')) return connection
      return `${from} > ${service.name}`
    }),
  )
  return [
    ...[...wanted]
      .filter((one) => !present.has(one))
      .map((one) => `NetworkPolicy: ${one} is needed, and nothing allows it`),
    ...[...present]
      .filter((one) => !wanted.has(one))
      .map((one) => `NetworkPolicy: ${one} is allowed, and neither the topology nor a setting asks for it`),
  ]
}
