/**
 * Taking domains out of the product. What belongs to a domain says so by importing it, and goes with the import: in code the smallest piece around each use, and then what
 * refers to nothing or is used by nothing any more; of tests and benchmarks the whole file. Where the code does not tell, regions do (see `regions.ts`).
 */
import { join, posix } from 'node:path'
import { readTopology } from '@offshoot/host/topology'
import { Changes } from '../changes.ts'
import { baseOf, fileAt, NoBase } from '../check/base.ts'
import { schemaBreaks, wireBreaks } from '../check/compatibility.ts'
import { unregister, withoutDependency, withoutLink } from '../generators/registration.ts'
import { gitAnswer, listed, uncommitted } from '../git.ts'
import { Refusal } from '../refusal.ts'
import { type Dependent, dependents } from './dependents.ts'
import { isEmpty, tidied, withoutReferences } from './pieces.ts'
import { withoutRegions } from './regions.ts'
import type { Module } from './syntax.ts'
import { isTest, Tree } from './tree.ts'

export interface Plan {
  /** All that go: those that were named, and those that cannot do without them. */
  domains: string[]
  dependents: Dependent[]
  /** Of domains that stay: what they import from those that go. */
  losses: { domain: string; from: string; names: string[] }[]
}

/** What removing these domains means. Refuses what cannot be removed. */
export function planRemoval(changes: Changes, names: readonly string[]): Plan {
  const tree = new Tree(changes)
  for (const name of names) {
    if (name === tenantsDomain)
      throw new Refusal(
        'NOT_REMOVABLE',
        `${name} cannot be removed: tenants and users live there, and every request is resolved by it.`,
      )
    if (!tree.domains.includes(name))
      throw new Refusal('UNKNOWN_DOMAIN', `There is no domain ${name}: ${tree.domains.join(', ')}.`)
  }
  const found = dependents(tree, names)
  const domains = [...new Set([...names, ...found.map(({ domain }) => domain)])]
  const { apps } = readTopology(join(changes.root, 'topology.json'))
  for (const [app, hosted] of Object.entries(apps))
    for (const name of hosted.domains)
      if (domains.includes(name))
        throw new Refusal('EXTRACTED', `${name} runs in apps/${app}. Take it back first: npm run fold ${app}`)
  const losses = tree.domains
    .filter((domain) => !domains.includes(domain))
    .flatMap((domain) => domains.map((from) => ({ domain, from, names: importedFrom(tree, domain, from) })))
  return { domains, dependents: found, losses: losses.filter(({ names }) => names.length > 0) }
}

const tenantsDomain = 'identity'

/** The names that the sources of a domain import from another. */
function importedFrom(tree: Tree, domain: string, from: string): string[] {
  const names = tree
    .paths(new RegExp(`^packages/domains/${domain}/src/.*\\.ts$`))
    .flatMap((path) =>
      tree
        .module(path)
        .imports.flatMap(({ specifier, name }) =>
          name !== undefined && tree.domainOf(tree.resolve(path, specifier) ?? '') === from ? name : [],
        ),
    )
  return [...new Set(names)].sort()
}

/** Refuses while there are changes that are not committed, so that what is removed can be looked at, and brought back, by itself; those that the removal itself undoes do not count. */
export function refuseUncommitted(changes: Changes): void {
  const { root } = changes
  if (gitAnswer(root, 'status') === undefined)
    throw new Refusal(
      'NO_REPOSITORY',
      'This is no git repository: what is removed could not be brought back. `git init` and commit first, or --force.',
    )
  const dirty = uncommitted(root).filter((path) => fileAt(root, 'HEAD', path) !== changes.read(path))
  if (dirty.length > 0)
    throw new Refusal(
      'DIRTY',
      `There are changes that are not committed: ${listed(dirty)}. Commit or stash them, so that the removal can be looked at by itself; or --force.`,
    )
}

/** Adds to the changes all that removing these domains means for the sources; what is generated from them is not among it. */
export function removeDomains(changes: Changes, names: readonly string[]): void {
  for (const name of names) unregister(changes, name)
  const tree = new Tree(changes)
  const gone = new Set(names)
  const before = importers(tree)
  const used = packagesUsed(tree)
  const folders = [...new Set(tree.sources.map((path) => posix.dirname(path)))]
  const packages = tree.members.filter(({ folder }) => gone.has(tree.domainOf(`${folder}/`) ?? ''))
  const rest = tree.members.filter((member) => !packages.includes(member))

  for (const { folder } of packages) {
    for (const path of tree.paths(new RegExp(`^${folder}/`))) tree.remove(path)
    changes.removeDirectory(folder)
  }
  for (const path of tree.paths(commented)) {
    const rest = withoutRegions(changes.read(path)!, gone)
    if (rest === undefined) tree.remove(path)
    else if (rest !== null && source.test(path)) keep(tree, path, tidied(path, tree.module(path), rest, undefined))
    else if (rest !== null) changes.write(path, rest)
  }
  for (let changed = true; changed; ) {
    const now = importers(tree)
    changed = false
    for (const path of tree.sources) changed = followImports(tree, path, now.get(path)) || changed
    for (const [path, names] of before)
      if (!changed && tree.has(path)) changed = dropUnwanted(tree, path, names, now.get(path)) || changed
  }
  for (const folder of folders) dropFolder(tree, folder)
  for (const path of tree.paths(/\.md$/)) dropLinks(tree, path)
  const now = packagesUsed(tree)
  for (const { folder } of rest) {
    for (const { name } of packages) dropDependency(changes, folder, name)
    const idle = [...(used.get(folder) ?? [])].filter((name) => !now.get(folder)?.has(name))
    for (const name of idle) for (const one of [name, `@types/${name}`]) dropDependency(changes, folder, one)
  }
}

/**
 * Announces the removal by a changeset, where clients or other versions of the product lose something that the base branch has: `npm run check` demands it. To be called when
 * all that is generated has followed.
 */
export function announce(changes: Changes, names: readonly string[]): void {
  const present = new Changes(changes.root)
  const wires = new Tree(changes).paths(/^packages\/domains\/[^/]+\/contract\.json$/)
  const lost = ['apps/gateway/schema.graphql', ...wires].filter((path) => {
    const base = committed(changes.root, path)
    const [before, after] = [present, changes].map((tree) => breaks(path, base, tree.read(path)))
    return after!.some((what) => !before!.includes(what))
  })
  if (lost.length === 0) return
  const packages = lost.map((path) => JSON.parse(changes.read(`${posix.dirname(path)}/package.json`)!).name as string)
  const domains = `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'}`
  changes.write(
    `.changeset/remove-${names.join('-')}.md`,
    `---\n${packages.map((name) => `'${name}': major\n`).join('')}---\n\n${domains} removed.\n`,
  )
}

/** What somebody loses who relies on a file as it was. */
function breaks(path: string, before: string | undefined, after: string | undefined): string[] {
  if (before === undefined || after === undefined) return []
  return path.endsWith('.json') ? wireBreaks(JSON.parse(before), JSON.parse(after)) : schemaBreaks(before, after)
}

/** A file on the base branch, where there is one. */
function committed(root: string, path: string): string | undefined {
  try {
    return fileAt(root, baseOf(root), path)
  } catch (error) {
    if (error instanceof NoBase) return undefined
    throw error
  }
}

/** Where a comment can be written, and is looked for. */
const commented = /\.(?:ts|tsx|mjs|js|md|yaml|yml|sql|prisma|sh)$|(?:^|\/)(?:Dockerfile|CODEOWNERS|run)$/

/** By file: the names that others import from it, `*` for all. */
function importers(tree: Tree): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const path of tree.sources)
    for (const { specifier, name } of tree.module(path).imports) {
      const target = tree.resolve(path, specifier)
      if (!target) continue
      const names = found.get(target) ?? new Set()
      found.set(target, names.add(name ?? ''))
    }
  return found
}

/** Takes out what a file imports and is not there any more; says whether there was anything. */
function followImports(tree: Tree, path: string, wanted: ReadonlySet<string> = new Set()): boolean {
  const module = tree.module(path)
  const lost = module.imports.filter(({ specifier, name }) => {
    const target = tree.resolve(path, specifier)
    if (target === undefined || !source.test(target) || target.includes('/generated/')) return false // that may not be made yet
    if (!tree.has(target)) return true
    const { exports } = tree.module(target)
    return name !== undefined && name !== '*' && !exports.has(name) && !exports.has('*')
  })
  if (lost.length === 0) return false
  if (isTest(path)) tree.remove(path)
  else {
    const rest = withoutReferences(
      module,
      lost.map(({ reference }) => reference),
    )
    keep(tree, path, tidied(path, module, rest, isClosed(tree, path, wanted) ? wanted : undefined))
  }
  return true
}

const source = /\.(?:ts|tsx|mjs)$/

/** Takes out what a file of a domain exports, and a helper of tests, when all who imported it are gone. */
function dropUnwanted(
  tree: Tree,
  path: string,
  before: ReadonlySet<string>,
  wanted: ReadonlySet<string> = new Set(),
): boolean {
  if (isTest(path)) {
    if (wanted.size > 0 || /\.(?:test|fault|life)\.ts$/.test(path)) return false
    tree.remove(path)
    return true
  }
  if (!isClosed(tree, path, wanted)) return false
  const module = tree.module(path)
  const unwanted = [...before].filter((name) => !wanted.has(name))
  const kept = tidied(path, module, module.text, wanted, unwanted)
  if (kept.text === module.text) return false
  keep(tree, path, kept)
  return true
}

/** Whether all who import from a file are known: it belongs to a domain, and is not its door. */
const isClosed = (tree: Tree, path: string, wanted: ReadonlySet<string>) =>
  /^packages\/domains\/[^/]+\/src\//.test(path) && !isDoor(tree, path) && !wanted.has('*')

/** Whether other packages may import the file. */
const isDoor = (tree: Tree, path: string) => tree.members.some(({ exports }) => [...exports.values()].includes(path))

/** A file that offered something, and now does not, goes. */
function keep(tree: Tree, path: string, kept: Module): void {
  if (isEmpty(kept) && !isDoor(tree, path)) tree.remove(path)
  else tree.write(path, kept.text)
}

/** What stands beside code that is gone goes too: what the code wrote down, say. */
function dropFolder(tree: Tree, folder: string): void {
  const inside = tree.paths(new RegExp(`^${folder.replaceAll('.', '\\.')}/`))
  if (inside.some((path) => source.test(path) || path === `${folder}/package.json`)) return
  for (const path of inside) tree.remove(path)
}

/** By the folder of a package: the packages that its files import. */
function packagesUsed(tree: Tree): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const path of tree.sources) {
    const folder = tree.members.find((member) => path.startsWith(`${member.folder}/`))?.folder
    if (folder === undefined) continue
    const names = found.get(folder) ?? new Set()
    found.set(folder, names)
    for (const { specifier } of tree.module(path).imports)
      if (!/^(?:\.|node:)/.test(specifier)) names.add(specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'))
  }
  return found
}

/** Links to files that are gone become plain text. */
function dropLinks(tree: Tree, path: string): void {
  const text = tree.changes.read(path)!
  const rest = text.replaceAll(
    /(?<!!)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)/g,
    (link, label: string, target: string) => (tree.lost(posix.join(posix.dirname(path), target)) ? label : link),
  )
  if (rest !== text) tree.changes.write(path, rest)
}

function dropDependency(changes: Changes, folder: string, name: string): void {
  const path = `${folder}/package.json`
  const text = changes.read(path)!
  if (!text.includes(`"${name}"`)) return
  changes.write(path, withoutDependency(text, name))
  changes.write(lockfile, withoutLink(changes.read(lockfile)!, folder, name))
}

const lockfile = 'pnpm-lock.yaml'
