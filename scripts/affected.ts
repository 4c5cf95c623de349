/** What a change can affect, so that nothing else has to be tested. */
import { existsSync, readFileSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'
import { baseOf } from './check/base.ts'
import { type Package, readPackages } from './check/workspace.ts'
import { git, gitAnswer, paths } from './git.ts'

/** Besides what turbo.json calls global: how packages are installed, and how tests are run. */
const everywhere = ['*.{json,yaml,ts}', '.ci/**', '.github/{workflows,actions}/**']

/**
 * The folders of the packages that may behave differently than on the base branch, whether committed or not: those with changes, those whose inputs (turbo.json) have some, and whatever
 * depends on them. All, when what is shared by all has changed, and on the base branch itself. Throws `NoBase` where there is nothing to compare with.
 */
export function affectedPackages(root: string): string[] {
  const base = baseOf(root)
  const files = changedFiles(root, base)
  const packages = readPackages(root).filter(({ directory }) => directory !== '.')
  const all = packages.map(({ directory }) => directory)
  const onBase = files.length === 0 && gitAnswer(root, 'rev-parse', 'HEAD') === base
  const { globalDependencies = [] } = turboOf(root, '.')
  const global = [...everywhere, ...globalDependencies]
  if (onBase || files.some((file) => global.some((pattern) => matchesGlob(file, pattern)))) return all
  const changed = packages.filter(({ directory }) => {
    const patterns = [`${directory}/**`, ...inputsElsewhere(root, directory)]
    return files.some((file) => patterns.some((pattern) => matchesGlob(file, pattern)))
  })
  const affected = withDependents(changed, packages)
  return all.filter((directory) => affected.has(directory))
}

function changedFiles(root: string, base: string): string[] {
  const committed = git(root, ['diff', '--name-only', '--no-renames', '-z', base])
  const unknown = git(root, ['ls-files', '--others', '--exclude-standard', '-z'])
  return paths(`${committed}${unknown}`)
}

/** Files outside of a package that its tests read. */
const inputsElsewhere = (root: string, directory: string) =>
  Object.values(turboOf(root, directory).tasks ?? {}).flatMap(({ inputs = [] }) =>
    inputs.filter((input) => input.startsWith('$TURBO_ROOT$/')).map((input) => input.slice('$TURBO_ROOT$/'.length)),
  )

interface Turbo {
  globalDependencies?: string[]
  tasks?: Record<string, { inputs?: string[] }>
}

function turboOf(root: string, directory: string): Turbo {
  const file = join(root, directory, 'turbo.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
}

function withDependents(changed: readonly Package[], packages: readonly Package[]): Set<string> {
  const found = new Set<string>()
  const reach = ({ name, directory }: Package) => {
    if (found.has(directory)) return
    found.add(directory)
    for (const one of packages) if (name in one.dependencies || name in one.devDependencies) reach(one)
  }
  changed.forEach(reach)
  return found
}
