/**
 * Makes a product of the template. The result depends on the template's files and on the choices alone: an upgrade makes the old and the new version in the same way, each by
 * its own code, and merges their difference.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Changes } from '../changes.ts'
import { git, gitAnswer, isRepository, paths } from '../git.ts'
import { Refusal } from '../refusal.ts'
import { renaming, sortDependencies, titleOf } from './rename.ts'

/** What a product remembers of the template, for upgrades. */
export interface TemplateRecord {
  template: string
  version: string
  /** The commit that it was made of, where that is known. */
  commit?: string
  /** Where the template's versions are. */
  source?: string
  name: string
  /** Those that were chosen; if not given, all of them, and those of later versions. */
  domains?: readonly string[]
}

export const RECORD = '.template.json'

interface Manifest {
  name: string
  version: string
  description?: string
  repository?: string | { url: string }
}

export const manifestOf = (root: string): Manifest => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

export function newRecord(root: string, choices: Pick<TemplateRecord, 'name' | 'domains'>): TemplateRecord {
  const { name: template, version, repository } = manifestOf(root)
  const own = isRepository(root)
  const declared = typeof repository === 'string' ? repository : repository?.url.replace(/^git\+/, '')
  const source = declared ?? (own ? addressOf(gitAnswer(root, 'remote', 'get-url', 'origin')) : undefined)
  const commit = own ? gitAnswer(root, 'rev-parse', '-q', '--verify', 'HEAD') : undefined
  return { template, version, commit, source, ...choices }
}

/** Without a password. A path would mean something on one machine only. */
const addressOf = (origin = '') =>
  /^(\w+:\/\/|[\w.-]+@[\w.-]+:)/.test(origin) && !origin.startsWith('file:')
    ? origin.replace(/(?<=^https?:\/\/)[^/@]*@/, '')
    : undefined

/** Adds to the changes, which may have taken domains out, all that makes a product of what is left. */
export function initialise(changes: Changes, record: TemplateRecord): void {
  const renamed = renaming(record.template, record.name)
  for (const path of filesOf(changes)) {
    if (path === 'LICENSE') continue // Its words, and whom they name, stay with what was copied.
    const text = changes.read(path)!
    if (text.includes('\0')) continue // An image.
    const [newPath, newText] = [renamed(path), sortDependencies(path, renamed(text))]
    if (newPath !== path) changes.remove(path)
    if (newPath !== path || newText !== text) changes.write(newPath, newText)
  }
  begin(changes, record.name)
  changes.write(RECORD, JSON.stringify(record, null, 2))
  format(changes)
}

/** What git knows or would add. An unpacked archive is looked at in the same way, by a repository elsewhere. */
function filesOf({ root, files }: Changes): string[] {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const there = isRepository(root) ? git(root, list) : asRepository(root, list)
  const all = [...paths(there).filter((path) => existsSync(join(root, path))), ...files.keys()]
  return [...new Set(all)].filter((path) => files.get(path) !== null)
}

function asRepository(root: string, command: string[]): string {
  const repository = mkdtempSync(join(tmpdir(), 'offshoot-init-'))
  try {
    git(repository, ['init', '-q'])
    return git(root, [`--git-dir=${join(repository, '.git')}`, '--work-tree=.', ...command])
  } finally {
    rmSync(repository, { recursive: true, force: true })
  }
}

/** A product begins with a version of its own, and with nothing in its changelog. */
function begin(changes: Changes, name: string): void {
  const { repository: _, ...manifest } = JSON.parse(changes.read('package.json')!) as Manifest
  const own = { ...manifest, version: '0.1.0', description: `${titleOf(name)}.` }
  changes.write('package.json', `${JSON.stringify(own, null, 2)}\n`)
  const [head] = changes.read('CHANGELOG.md')!.split(/^## /m)
  changes.write('CHANGELOG.md', `${head}## Unreleased\n`)
}

/** A longer name wraps lines, and imports are sorted by it. */
function format(changes: Changes): void {
  const written = [...changes.files].filter((entry): entry is [string, string] => entry[1] !== null)
  const stage = mkdtempSync(join(tmpdir(), 'offshoot-init-'))
  try {
    for (const [path, text] of [...written, ['biome.json', changes.read('biome.json')!] as const]) {
      mkdirSync(dirname(join(stage, path)), { recursive: true })
      writeFileSync(join(stage, path), text)
    }
    formatIn(stage, '.', changes.root)
    for (const [path] of written) changes.write(path, readFileSync(join(stage, path), 'utf8').replaceAll('\r\n', '\n'))
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

/** With the formatter that is installed in `root`. */
export function formatIn(directory: string, path: string, root: string): void {
  const windows = process.platform === 'win32'
  const biome = join(root, 'node_modules/.bin', windows ? 'biome.cmd' : 'biome')
  const options = ['--write', '--linter-enabled=false', '--vcs-enabled=false', '--diagnostic-level=error']
  try {
    execFileSync(biome, ['check', ...options, path], {
      cwd: directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: windows,
    })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Refusal('NOT_FORMATTED', `What was renamed cannot be formatted.\n${stdout}${stderr}`)
  }
}
