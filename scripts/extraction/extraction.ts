/** Splitting a domain off into an app of its own, and taking it back. */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gatewayPort, readTopology, type Topology } from '@offshoot/host/topology'
import { checkImports } from '../check/imports.ts'
import { readPackages, readSources } from '../check/workspace.ts'
import { domainsOf } from '../domains.ts'
import { git, listed, paths, uncommitted } from '../git.ts'
import { Refusal } from '../refusal.ts'
import { appFiles, type Extracted } from './app-files.ts'

export interface Done {
  /** Where the domain runs now, in development. */
  port: number
  /** Below the root. */
  files: string[]
}

/**
 * Splits a domain off: writes its app, has it installed, and only then changes the topology, which a running product follows. What fails to install is taken away
 * again.
 */
export async function extract(root: string, domain: string, install: () => Promise<void>): Promise<Done> {
  const topology = topologyOf(root)
  assertKnown(root, domain)
  if (topology.apps[domain]) throw new Refusal('ALREADY_EXTRACTED', `${domain} runs in apps/${domain} already.`)
  if (existsSync(join(root, 'apps', domain)))
    throw new Refusal(
      'APP_EXISTS',
      `apps/${domain} exists and is not in topology.json. Remove it, or call it something else.`,
    )
  const dirty = uncommitted(root).filter((file) => !isOfAnExtraction(root, topology, file))
  if (dirty.length > 0)
    throw new Refusal(
      'DIRTY',
      `There are changes that are not committed: ${listed(dirty)}. Commit or stash them, so that the extraction can be looked at by itself.`,
    )
  const violations = checkImports(readPackages(root), readSources(root)).filter(({ file }) =>
    file.startsWith(`packages/domains/${domain}/`),
  )
  if (violations.length > 0)
    throw new Refusal(
      'BOUNDARY',
      `${domain} cannot be split off as it is:\n${violations.map(({ file, line, message }) => `  ${line ? `${file}:${line}` : file}  ${message}`).join('\n')}`,
    )

  const port = nextPort(topology)
  const files = appFiles(describe(root, domain), port)
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, 'apps', domain, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  try {
    await install()
  } catch (error) {
    rmSync(join(root, 'apps', domain), { recursive: true })
    throw error
  }
  write(root, { apps: { ...topology.apps, [domain]: { port, domains: [domain] } } })
  return { port, files: Object.keys(files).map((path) => `apps/${domain}/${path}`) }
}

/** The exact way back. What people added to the app is lost only with `force`. */
export function fold(root: string, domain: string, { force = false } = {}): void {
  const topology = topologyOf(root)
  assertKnown(root, domain)
  const app = topology.apps[domain]
  if (!app) throw new Refusal('NOT_EXTRACTED', `${domain} runs in the gateway.`)
  const own = ownFiles(root, domain, app.port)
  if (own.length > 0 && !force)
    throw new Refusal(
      'CHANGED',
      `apps/${domain} has more than the extraction wrote: ${listed(own)}. Keep it elsewhere, or lose it with --force.`,
    )
  rmSync(join(root, 'apps', domain), { recursive: true, force: true })
  const { [domain]: _, ...apps } = topology.apps
  write(root, { apps })
}

const topologyFile = (root: string) => join(root, 'topology.json')
const topologyOf = (root: string) => readTopology(topologyFile(root))

/** As the formatter has it. */
function write(root: string, { apps }: Topology): void {
  const lines = Object.entries(apps).map(
    ([app, { port, domains }]) =>
      `    "${app}": { "port": ${port}, "domains": [${domains.map((name) => `"${name}"`).join(', ')}] }`,
  )
  const body = lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n  }`
  writeFileSync(topologyFile(root), `{\n  "apps": ${body}\n}\n`)
}

function assertKnown(root: string, domain: string): void {
  const domains = domainsOf(root)
  if (!domains.includes(domain))
    throw new Refusal('UNKNOWN_DOMAIN', `There is no domain ${domain || 'without a name'}: ${domains.join(', ')}.`)
}

function describe(root: string, domain: string): Extracted {
  const sources = globSync(`packages/domains/${domain}/src/*.ts`, { cwd: root }).map((file) =>
    readFileSync(join(root, file), 'utf8'),
  )
  const needsActions = sources.some((text) => text.includes('platform.actions'))
  const contracts = needsActions
    ? domainsOf(root).map((name) => [
        name,
        exportedBy(root, `packages/domains/${name}/src/contract.ts`, 'defineContract'),
      ])
    : []
  return {
    domain,
    exported: exportedBy(root, `packages/domains/${domain}/src/domain.ts`, 'defineDomain'),
    contracts: Object.fromEntries(contracts),
  }
}

function exportedBy(root: string, file: string, made: string): string {
  const text = readFileSync(join(root, file), 'utf8')
  const [, name] = new RegExp(`^export const (\\w+) = ${made}\\(`, 'm').exec(text) ?? []
  if (!name)
    throw new Refusal(
      'UNKNOWN_SHAPE',
      `${file} does not export what ${made} makes, in one line: export const … = ${made}(`,
    )
  return name
}

function nextPort({ apps }: Topology): number {
  const taken = new Set([gatewayPort, ...Object.values(apps).map(({ port }) => port)])
  for (let port = gatewayPort + 1; ; port++) if (!taken.has(port)) return port
}

/** An earlier extraction need not be committed before the next one. */
function isOfAnExtraction(root: string, topology: Topology, file: string): boolean {
  if (
    /^(topology\.json|docs\/modules\.md|pnpm-lock\.yaml|infra\/compose\.yaml|infra\/kubernetes\/apps\/.*)$/.test(file)
  )
    return true
  const [, app, path] = /^apps\/([^/]+)\/(.+)$/.exec(file) ?? []
  const own = app && topology.apps[app]
  return Boolean(
    own && path! in appFiles(describe(root, app), own.port) && !ownFiles(root, app, own.port).includes(file),
  )
}

/** Files of an app that the extraction did not write, or not so. */
function ownFiles(root: string, domain: string, port: number): string[] {
  const written = appFiles(describe(root, domain), port)
  const prefix = `apps/${domain}/`
  return paths(git(root, ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', prefix]))
    .filter((file) => existsSync(join(root, file)))
    .filter((file) => bare(readFileSync(join(root, file), 'utf8')) !== bare(written[file.slice(prefix.length)]))
}

/** A text without what the formatter may change in it. */
const bare = (text: string | undefined) => text?.replaceAll(/[\s,]+/g, '')
