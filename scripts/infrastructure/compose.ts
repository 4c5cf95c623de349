/** The stack of `infra/compose.yaml`, judged by the schema of Compose, by dclint's rules, and by the code. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DCLinter } from 'dclint'
import { parse } from 'yaml'
import type { Problem } from '../check/workspace.ts'
import { root } from '../database.ts'
import type { Deployable } from './deployables.ts'
import { environmentProblems } from './environment.ts'

/** The types of dclint lead nowhere. */
interface Finding {
  line: number
  message: string
  rule: string
}

interface Service {
  image?: string
  build?: { context: string; dockerfile: string }
  environment?: Record<string, string>
  command?: string[]
  volumes?: string[]
  privileged?: boolean
  user?: string
  network_mode?: string
}

/** What dclint says of the order of things, which has its own reasons here, and of what is judged below: our images are built, and have no version before they are. */
const off = [
  'no-build-and-image',
  'no-quotes-in-volumes',
  'service-image-require-explicit-tag',
  'services-alphabetical-order',
  'service-keys-order',
  'top-level-properties-order',
  'service-dependencies-alphabetical-order',
]

/** `file` is below the root, or absolute. */
export function composeProblems(file: string, apps: readonly Deployable[]): Problem[] {
  const path = resolve(root, file)
  const linter = new DCLinter({
    rules: Object.fromEntries(off.map((rule) => [rule, 0 as const])),
    quiet: false,
    debug: false,
    exclude: [],
  })
  const results: { messages: Finding[] }[] = linter.lintFiles([path], false)
  const linted = results.flatMap(({ messages }) => messages)
  // No more can be told of what is no YAML.
  if (linted.some(({ rule }) => rule === 'invalid-yaml'))
    return linted.map(({ line, message }) => ({ file, line, message }))
  const stack: { services: Record<string, Service> } = parse(readFileSync(path, 'utf8'), { merge: true })
  if (linted.length > 0)
    return linted.map(({ line, message, rule }) => ({
      file,
      line,
      message: `${message} [${rule}]${keysAt(stack, message)}`,
    }))
  const { services } = stack
  const own = new Map(apps.map(({ image }) => [image, true]))
  return [
    ...apps.filter(({ app }) => !services[app]).map(({ app }) => `services: ${app} is missing; the topology has it`),
    ...Object.entries(services).flatMap(([name, service]) => {
      const one = name === 'migrate' ? 'migrate' : apps.find(({ app }) => app === name)
      return serviceProblems(service, dirname(path), one, own.has(service.image ?? ''), apps).map(
        (message) => `services.${name}: ${message}`,
      )
    }),
  ].map((message) => ({ file, message }))
}

/** Which keys there are, where the schema only says that one of them is none of its own. */
function keysAt(stack: object, message: string): string {
  const [, pointer] = /instancePath="([^"]*)".*must NOT have additional properties/.exec(message) ?? []
  if (pointer === undefined) return ''
  const at = pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], stack)
  return `: one of ${Object.keys(at as object).join(', ')}`
}

function serviceProblems(
  service: Service,
  directory: string,
  one: Deployable | 'migrate' | undefined,
  ours: boolean,
  apps: readonly Deployable[],
): string[] {
  const mounted = (service.volumes ?? [])
    .map((volume) => volume.split(':')[0]!)
    .filter((source) => source.startsWith('.'))
  const made = one === 'migrate' ? apps[0] : one
  return [
    ...(service.privileged ||
    service.network_mode === 'host' ||
    service.user === 'root' ||
    /^0(:|$)/.test(service.user ?? '')
      ? ['runs as root, privileged, or in the network of the machine']
      : []),
    ...mounted
      .filter((source) => !existsSync(join(directory, source)))
      .map((source) => `mounts ${source}, which is not there`),
    ...(ours && !one ? [`runs ${service.image}, and is no app of the topology`] : []),
    ...(ours || /:(?!latest$)[\w.-]+$/.test(service.image ?? '')
      ? []
      : [`runs ${service.image}, which must name a version`]),
    ...(made && service.image !== made.image ? [`runs ${service.image}; its image is ${made.image}`] : []),
    ...(made && service.build?.dockerfile !== made.dockerfile
      ? [`is built by ${service.build?.dockerfile}; its Dockerfile is ${made.dockerfile}`]
      : []),
    ...(one ? environmentProblems(service.environment ?? {}, one, apps) : []),
  ]
}
