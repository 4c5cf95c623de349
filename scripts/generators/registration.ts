/** The places outside of its own folder where a domain is named: `register` adds it to them, and `unregister` is the exact way back. */

import type { ArrayExpression } from 'oxc-parser'
import type { Changes } from '../changes.ts'
import { addImport, append, constant, dropImport, missing, parse, type Source, splice, takeOut } from './edit.ts'

export interface Registration {
  /** `warehouse` */
  name: string
  /** In a few words, for lists. */
  about: string
}

const gateway = 'apps/gateway'
const list = `${gateway}/src/domains.ts`
const lockfile = 'pnpm-lock.yaml'
const owners = '.github/CODEOWNERS'

export const folderOf = (name: string) => `packages/domains/${name}`

/** The scope of the workspace's packages: `@offshoot`. */
export function scopeOf(changes: Changes): string {
  const path = `${gateway}/package.json`
  const { name } = JSON.parse(changes.read(path) ?? '{}') as { name?: string }
  if (!name?.startsWith('@')) throw missing(path, 'name with a scope')
  return name.split('/')[0]!
}

/** Names the domain wherever the product lists its domains. `importer` is its block in the lockfile. */
export function register(changes: Changes, { name, about }: Registration, importer: string): void {
  const scope = scopeOf(changes)
  const packageName = `${scope}/${name}`
  addToList(changes, name, packageName)
  edit(changes, `${gateway}/package.json`, (text) => withDependency(text, packageName))
  edit(changes, lockfile, (text) =>
    withImporter(withLink(text, gateway, linkEntry(packageName, `../../${folderOf(name)}`)), folderOf(name), importer),
  )
  for (const service of servicesWithContracts(changes)) addToService(changes, service, name, packageName)
  const owned = changes.read(owners)
  if (owned !== undefined) changes.write(owners, insertLine(owned, /^\/packages\/domains\//, ownerLine(scope, name)))
  for (const { path, pattern, add } of pages) {
    const text = changes.read(path)
    if (text !== undefined && pattern.test(text))
      changes.write(
        path,
        text.replace(pattern, (found) => add(found, name, about)),
      )
  }
}

export function unregister(changes: Changes, name: string): void {
  const scope = scopeOf(changes)
  const packageName = `${scope}/${name}`
  const source = parse(list, changes.read(list))
  const domains = constant(source, 'domains')
  if (domains.type !== 'ArrayExpression') throw missing(list, '`const domains = […]`')
  const text = takeOut(source.text, domains, exportedName(name))
  changes.write(list, dropImport(parse(list, text), packageName))
  edit(changes, `${gateway}/package.json`, (text) => withoutDependency(text, packageName))
  edit(changes, lockfile, (text) => withoutImporter(withoutLink(text, gateway, packageName), folderOf(name)))
  for (const service of servicesWithContracts(changes)) dropFromService(changes, service, name, packageName)
  const owned = changes.read(owners)
  if (owned !== undefined)
    changes.write(
      owners,
      owned
        .split('\n')
        .filter((line) => line.split(' ')[0] !== `/${folderOf(name)}/`)
        .join('\n'),
    )
  for (const { path, pattern, remove } of pages) {
    const text = changes.read(path)
    if (text !== undefined)
      changes.write(
        path,
        text.replace(pattern, (found) => remove(found, name)),
      )
  }
}

/** How a domain exports itself: `warehouseDomain`. */
export const exportedName = (name: string) => `${name}Domain`

function addToList(changes: Changes, name: string, packageName: string): void {
  const source = parse(list, changes.read(list))
  const domains = constant(source, 'domains')
  if (domains.type !== 'ArrayExpression') throw missing(list, '`const domains = […]`')
  const text = append(source.text, domains, exportedName(name))
  changes.write(list, addImport(parse(list, text), exportedName(name), packageName))
}

/** Domains that run apart and must know what every domain allows list all contracts: identity does, for the scopes of keys. */
function servicesWithContracts(changes: Changes): string[] {
  const apps = changes.list('apps').flatMap((path) => /^(apps\/[^/]+)\/src\/main\.ts$/.exec(path)?.[1] ?? [])
  return apps.filter(
    (app) => app !== gateway && contractsOf(parse(`${app}/src/main.ts`, changes.read(`${app}/src/main.ts`))),
  )
}

/** The third argument of `runService('…', […], […])`. */
function contractsOf({ program }: Source): ArrayExpression | undefined {
  for (const statement of program.body) {
    const call =
      statement.type === 'ExpressionStatement' &&
      statement.expression.type === 'AwaitExpression' &&
      statement.expression.argument
    const last = call && call.type === 'CallExpression' ? call.arguments[2] : undefined
    if (last?.type === 'ArrayExpression') return last
  }
  return undefined
}

function addToService(changes: Changes, app: string, name: string, packageName: string): void {
  const path = `${app}/src/main.ts`
  const source = parse(path, changes.read(path))
  const list = contractsOf(source)!
  const names = list.elements.map((element) => source.text.slice(element!.start, element!.end))
  const text = splice(source.text, list.start, list.end, `[${[...names, name].sort().join(', ')}]`)
  changes.write(path, addImport(parse(path, text), name, `${packageName}/contract`))
  edit(changes, `${app}/package.json`, (text) => withDependency(text, packageName))
  edit(changes, lockfile, (text) => withLink(text, app, linkEntry(packageName, `../../${folderOf(name)}`)))
}

function dropFromService(changes: Changes, app: string, name: string, packageName: string): void {
  const path = `${app}/src/main.ts`
  const source = parse(path, changes.read(path))
  const text = takeOut(source.text, contractsOf(source)!, name)
  changes.write(path, dropImport(parse(path, text), `${packageName}/contract`))
  edit(changes, `${app}/package.json`, (text) => withoutDependency(text, packageName))
  edit(changes, lockfile, (text) => withoutLink(text, app, packageName))
}

/** Pages that list the domains. People may write them anew, without the list. */
const pages: {
  path: string
  pattern: RegExp
  add(found: string, name: string, about: string): string
  remove(found: string, name: string): string
}[] = [
  {
    path: 'README.md',
    pattern: /(?<=^packages\/domains\/\n)(?: {2}\S+\/ .*\n)*/m,
    add: (found, name, about) => `${found}${`  ${name}/`.padEnd(26)}${about}\n`,
    remove: (found, name) =>
      found
        .split('\n')
        .filter((line) => !line.startsWith(`  ${name}/ `))
        .join('\n'),
  },
  {
    path: 'docs/architecture.md',
    pattern: /(?<=^packages\/domains\/ +)\w.*$/m,
    add: (found, name) => `${found}  ${name}`,
    remove: (found, name) =>
      found
        .split(/ {2,}/)
        .filter((one) => one !== name)
        .join('  '),
  },
  {
    path: 'docs/guides/operating.md',
    pattern: /(?<=^for \(const domain of \[)[^\]]*(?=, 'events'\]\))/m,
    add: (found, name) => `${found}, '${name}'`,
    remove: (found, name) =>
      found
        .split(', ')
        .filter((one) => one !== `'${name}'`)
        .join(', '),
  },
]

function edit(changes: Changes, path: string, change: (text: string) => string): void {
  const text = changes.read(path)
  if (text === undefined) throw missing(path, 'content')
  changes.write(path, change(text))
}

/** A package.json that depends on one more package. */
export function withDependency(text: string, packageName: string, version = 'workspace:*'): string {
  const manifest = JSON.parse(text)
  const dependencies = { ...manifest.dependencies, [packageName]: version }
  const sorted = Object.fromEntries(Object.entries(dependencies).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify({ ...manifest, dependencies: sorted }, null, 2)}\n`
}

export function withoutDependency(text: string, packageName: string): string {
  const manifest = JSON.parse(text)
  for (const kind of ['dependencies', 'devDependencies']) {
    delete manifest[kind]?.[packageName]
    if (manifest[kind] && Object.keys(manifest[kind]).length === 0) delete manifest[kind]
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

// The lockfile, as pnpm writes it: blocks that are separated by blank lines, one for each package of the workspace, in the order of their folders.

const importerPattern = (folder: string) => new RegExp(`^  ${folder.replaceAll('.', '\\.')}:\\n[^]*?\\n(?=\\n)`, 'm')

/** The block of a package. */
export function importerOf(text: string, folder: string): string {
  const [block] = importerPattern(folder).exec(text) ?? []
  if (!block) throw missing(lockfile, `block \`${folder}:\``)
  return block
}

function withImporter(text: string, folder: string, block: string): string {
  const [before, importers, after] = split(text)
  const blocks = [...importers, block.replace(/^ {2}\S+:\n/, `  ${folder}:\n`)]
  return [before, ...blocks.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)), after].join('\n')
}

function withoutImporter(text: string, folder: string): string {
  const [before, importers, after] = split(text)
  return [before, ...importers.filter((block) => keyOf(block) !== folder), after].join('\n')
}

/** What stands before the packages of the workspace, their blocks, and what follows. */
function split(text: string): [string, string[], string] {
  const [, before, importers, after] = /^([\s\S]*?\nimporters:\n)\n([\s\S]*?\n)\n(packages:\n[\s\S]*)$/.exec(text) ?? []
  if (!importers) throw missing(lockfile, 'list of `importers:`')
  return [before!, importers.split(/(?<=\n)\n/), after!]
}

const keyOf = (block: string) => block.slice(2, block.indexOf(':'))

/** A package of the workspace depends on one more. */
export function withLink(text: string, folder: string, entry: string): string {
  const block = importerOf(text, folder)
  const [head, dependencies = '', rest = ''] = block.split(/(?<= {4}dependencies:\n)|(?= {4}devDependencies:\n)/)
  const entries = [...dependencies.split(/(?=^ {6}\S)/m), entry].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  return text.replace(block, () => head + entries.join('') + rest)
}

const linkEntry = (packageName: string, to: string) =>
  `      '${packageName}':\n        specifier: workspace:*\n        version: link:${to}\n`

/** How a package depends on another. */
export function entryOf(text: string, folder: string, packageName: string): string {
  const [entry] = entryPattern(packageName).exec(importerOf(text, folder)) ?? []
  if (!entry) throw missing(lockfile, `entry of ${packageName} under \`${folder}:\``)
  return entry
}

/** A package of the workspace no longer depends on another. */
export function withoutLink(text: string, folder: string, packageName: string): string {
  const block = importerOf(text, folder)
  return text.replace(block, () => block.replace(entryPattern(packageName), '').replace(/^ {4}\w+:\n(?! {6})/m, ''))
}

const entryPattern = (packageName: string) => new RegExp(`^ {6}'?${packageName}'?:\\n(?: {8}.*\\n)+`, 'm')

const nameOf = (entry: string) => entry.trim().split(/:\s/)[0]!.replaceAll("'", '')

const ownerLine = (scope: string, name: string) => `${`/${folderOf(name)}/`.padEnd(34)}${scope}/${name}`

/** Puts a line among those of its kind, in their order; at the end when there is none. */
function insertLine(text: string, kind: RegExp, line: string): string {
  const lines = text.trimEnd().split('\n')
  const last = lines.findLastIndex((other) => kind.test(other) && other < line)
  const first = lines.findIndex((other) => kind.test(other))
  lines.splice(last >= 0 ? last + 1 : first >= 0 ? first : lines.length, 0, line)
  return `${lines.join('\n')}\n`
}
