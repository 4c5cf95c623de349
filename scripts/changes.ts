/**
 * Changes of many files that are made as a whole or not at all: worked out in memory, looked at (`diff`), and written at the end. While they are written, what was
 * there before stands in a journal, so that a failure, an interruption, and even a process that was killed leave nothing half written: see `undoUnfinished`.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** What is installed or made anew, and never a part of a change. */
const made = /^(node_modules|generated|dist|\.turbo|\.reports|\.data|\.git)$/

export class Changes {
  readonly root: string
  readonly #texts = new Map<string, string | null>()
  readonly #directories = new Set<string>()

  constructor(root: string) {
    this.root = root
  }

  /** A file as it will be, with `\n` at the ends of lines whatever it has on the disk; undefined when there is none. Paths are below the root, with slashes. */
  read(path: string): string | undefined {
    const changed = this.#texts.get(path)
    const text = changed === undefined ? onDisk(this.root, path) : changed
    return text?.replaceAll('\r\n', '\n')
  }

  /** The files below a folder, as they will be. */
  list(directory: string): string[] {
    const present = new Set(filesBelow(this.root, directory))
    for (const [path, text] of this.#texts) {
      if (path.startsWith(`${directory}/`)) text === null ? present.delete(path) : present.add(path)
    }
    return [...present].sort()
  }

  /** What a file will contain. The ends of its lines stay as they are on the disk. */
  write(path: string, text: string): void {
    const before = onDisk(this.root, path)
    const plain = text.replaceAll('\r\n', '\n')
    this.#texts.set(path, before?.includes('\r\n') ? plain.replaceAll('\n', '\r\n') : plain)
  }

  remove(path: string): void {
    this.#texts.set(path, null)
  }

  /** Removes a folder with everything in it, also what git ignores. */
  removeDirectory(directory: string): void {
    for (const path of this.list(directory)) this.remove(path)
    this.#directories.add(directory)
  }

  /** Everything that will differ from what is there, by path; null is removed. */
  get files(): ReadonlyMap<string, string | null> {
    const differs = ([path, text]: [string, string | null]) => (onDisk(this.root, path) ?? null) !== text
    return new Map([...this.#texts].filter(differs).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** As `git diff` shows changes. */
  diff(): string {
    const directory = mkdtempSync(join(tmpdir(), 'offshoot-diff-'))
    try {
      for (const side of ['a', 'b']) mkdirSync(join(directory, side))
      for (const [path, text] of this.files) {
        const before = onDisk(this.root, path)
        if (before !== undefined) put(join(directory, 'a', path), before)
        if (text !== null) put(join(directory, 'b', path), text)
      }
      const args = ['-c', 'core.autocrlf=false', 'diff', '--no-index', '--no-prefix', '--no-color', 'a', 'b']
      return spawnSync('git', args, { cwd: directory, encoding: 'utf8', maxBuffer: 1 << 28 }).stdout
    } finally {
      rmSync(directory, { recursive: true })
    }
  }

  /** Writes everything, then does `last`; when either fails, everything is as it was before. */
  async apply(last: () => Promise<void> = async () => {}): Promise<void> {
    const { files } = this
    const before = Object.fromEntries([...files.keys()].map((path) => [path, onDisk(this.root, path) ?? null]))
    const created = [...new Set([...files.keys()].flatMap((path) => missingParent(this.root, path) ?? []))]
    put(journal(this.root), JSON.stringify({ process: process.pid, before, created } satisfies Journal))
    try {
      for (const [path, text] of files) set(this.root, path, text) // without a pause, in which a signal could come
      await last()
      rmSync(journal(this.root))
    } catch (error) {
      undoUnfinished(this.root)
      throw error
    }
    for (const directory of this.#directories) rmSync(join(this.root, directory), { recursive: true, force: true })
  }
}

interface Journal {
  /** Who is at it. */
  process: number
  before: Record<string, string | null>
  /** Folders that were not there, the outermost ones. */
  created: string[]
}

const journal = (root: string) => join(root, 'node_modules', '.unfinished-changes.json')

/** Whether somebody is writing changes, or installing what they need. */
export function areBeingMade(root: string): boolean {
  try {
    return process.kill((JSON.parse(readFileSync(journal(root), 'utf8')) as Journal).process, 0)
  } catch {
    return false
  }
}

/** Takes back changes that were begun and not ended, by a process that was interrupted or killed; says whether there were any. */
export function undoUnfinished(root: string): boolean {
  const file = journal(root)
  if (!existsSync(file)) return false
  const { before, created } = JSON.parse(readFileSync(file, 'utf8')) as Journal
  for (const [path, text] of Object.entries(before)) {
    rmSync(beside(join(root, path)), { force: true })
    set(root, path, text)
  }
  for (const directory of created) rmSync(join(root, directory), { recursive: true, force: true })
  rmSync(file)
  return true
}

/** Files that people write, below a folder of the root; all of them for `.`. */
export function filesBelow(root: string, directory: string): string[] {
  if (!existsSync(join(root, directory))) return []
  return readdirSync(join(root, directory), { withFileTypes: true })
    .filter(({ name }) => !made.test(name))
    .flatMap((entry) => {
      const path = directory === '.' ? entry.name : `${directory}/${entry.name}`
      return entry.isDirectory() ? filesBelow(root, path) : entry.isFile() ? [path] : []
    })
}

function onDisk(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return undefined
    throw error
  }
}

/** Writes a file in one step, or removes it and the folders that are empty then. */
function set(root: string, path: string, text: string | null): void {
  const file = join(root, path)
  if (text !== null) {
    put(file, text)
    return
  }
  rmSync(file, { force: true })
  try {
    for (let folder = dirname(file); folder !== root; folder = dirname(folder)) rmdirSync(folder)
  } catch {} // It has something else, or is gone.
}

function put(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(beside(file), text)
  if (existsSync(file)) chmodSync(beside(file), statSync(file).mode) // It may be a program.
  renameSync(beside(file), file)
}

/** Where a file is written before it takes the place of the old one. */
const beside = (file: string) => `${file}.new~`

/** The outermost folder of a path that is not there. */
function missingParent(root: string, path: string): string | undefined {
  const parents = path
    .split('/')
    .slice(0, -1)
    .map((_, index, all) => all.slice(0, index + 1).join('/'))
  return parents.find((parent) => !existsSync(join(root, parent)))
}
