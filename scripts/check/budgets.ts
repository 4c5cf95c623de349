/**
 * What an app costs before anybody asks it something: what its image holds and what its process loads, which decide how long it takes to start and how much memory it has from then on.
 * Both are counted, so that the answer is the same on every machine; what has to be measured is in `benchmarks`.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { run } from '../run.ts'
import { importsOf } from './imports.ts'
import type { Problem } from './workspace.ts'

export interface Cost {
  /** Packages that others have published, in the image. */
  packages: number
  /** What the image holds besides Node, in MB. */
  megabytes: number
  /** Files that are loaded before the app listens. */
  modules: number
}

/** Of each app; the gateway with all domains in it takes most of it. Whoever raises one says in the commit what that is worth. */
const budget: Cost = { packages: 300, megabytes: 200, modules: 2_100 }

const what: Record<keyof Cost, (app: string) => string> = {
  packages: (app) => `packages in the image of ${app}`,
  megabytes: (app) => `MB in the image of ${app}`,
  modules: (app) => `modules loaded by ${app} before it listens`,
}

/** `app` is a folder below `apps`; `others` are folders of packages that its image has beside it. */
export async function costOf(root: string, app: string, others: readonly string[] = []): Promise<Cost & Largest> {
  const directory = join('apps', app)
  const contents = productionOf(root, [directory, ...others])
  const sizes = [...contents].map(([path, published]) => ({ path, published, bytes: bytesOf(path) }))
  const published = sizes.filter((one) => one.published)
  return {
    packages: published.length,
    megabytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0) / 1_000_000,
    modules: await modulesOf(root, join(directory, 'src/main.ts')),
    largest: published
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, 5)
      .map(({ path, bytes }) => `${nameOf(path)} (${Math.round(bytes / 1_000_000)} MB)`),
  }
}

interface Largest {
  /** The published packages that take most. */
  largest: string[]
}

export function budgetProblems(app: string, cost: Cost & Largest, limit = budget): Problem[] {
  return (Object.keys(what) as (keyof Cost)[])
    .filter((kind) => cost[kind] > limit[kind])
    .map((kind) => ({
      file: `apps/${app}/package.json`,
      message: `${Math.ceil(cost[kind])} ${what[kind](app)}, ${limit[kind]} at most: ${
        kind === 'modules'
          ? 'load what is not needed from the start when it is (await import), or do without it'
          : `do without a dependency, or make it one of development. The largest: ${cost.largest.join(', ')}`
      }; or raise the budget in scripts/check/budgets.ts, and say what it is worth`,
    }))
}

/** The folders of what runs: packages of the workspace, and what they depend on, of which the value is that others have published it. */
function productionOf(root: string, directories: readonly string[]): Map<string, boolean> {
  const store = join(realpathSync(root), 'node_modules') + sep
  const found = new Map<string, boolean>()
  const reach = (path: string) => {
    if (found.has(path)) return
    const published = path.startsWith(store)
    found.set(path, published)
    // pnpm keeps the dependencies of a published package beside it.
    const beside = published ? path.slice(0, path.lastIndexOf(modules) + modules.length) : join(path, 'node_modules')
    for (const name of needsOf(JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')))) {
      const dependency = join(beside, name)
      if (existsSync(dependency)) reach(realpathSync(dependency))
    }
  }
  for (const directory of directories) reach(realpathSync(join(root, directory)))
  return found
}

const modules = `${sep}node_modules${sep}`

interface Manifest {
  dependencies?: object
  optionalDependencies?: object
  peerDependencies?: object
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

/** An optional peer is installed where somebody else depends on it. */
function needsOf({ dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta = {} }: Manifest) {
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).filter(
    (name) => !peerDependenciesMeta[name]?.optional,
  )
}

function bytesOf(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
    if (entry.name === 'node_modules' || entry.name === '.reports') return sum
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return sum + bytesOf(path)
    return entry.isFile() ? sum + lstatSync(path).size : sum
  }, 0)
}

const nameOf = (path: string) => path.split(modules).at(-1)!.replaceAll(sep, '/')

/** Loads what a program imports, without the program, and counts. */
async function modulesOf(root: string, program: string): Promise<number> {
  const path = join(root, program)
  const imports = importsOf(program, readFileSync(path, 'utf8')).filter(({ types }) => !types)
  const counter = `import { registerHooks } from 'node:module'
let count = 1
registerHooks({ load(url, context, next) { if (url.startsWith('file:')) count++; return next(url, context) } })
for (const specifier of ${JSON.stringify(imports.map(({ specifier }) => specifier))})
  await import(import.meta.resolve(specifier, ${JSON.stringify(pathToFileURL(path).href)}))
process.stdout.write(String(count), () => process.exit())`
  const { code, output } = await run(
    process.execPath,
    ['--experimental-import-meta-resolve', '--input-type=module', '--eval', counter],
    { quiet: true, cwd: resolve(root) },
  )
  if (code !== 0 || !/^\d+$/.test(output)) throw new Error(`${relative('.', path)} cannot be loaded:\n${output}`)
  return Number(output)
}
