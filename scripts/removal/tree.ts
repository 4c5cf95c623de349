/** The workspace as its sources describe it: packages, files, and who imports what from whom. */
import { posix } from 'node:path'
import { type Changes, filesBelow } from '../changes.ts'
import { type Module, readModule } from './syntax.ts'

export interface Member {
  /** Below the root: `packages/domains/orders`. */
  folder: string
  /** `@offshoot/orders` */
  name: string
  /** Files by the subpaths under which others may import them. */
  exports: ReadonlyMap<string, string>
}

const source = /^(?:apps\/[^/]+|packages\/[^/]+\/[^/]+|benchmarks|scripts)\/.*\.(?:ts|tsx|mjs)$/
const manifest = /^(?:apps\/[^/]+|packages\/[^/]+\/[^/]+|benchmarks|scripts)\/package\.json$/
const domain = /^packages\/domains\/([^/]+)\//

export class Tree {
  readonly changes: Changes
  readonly members: readonly Member[]
  readonly #paths: readonly string[]
  readonly #modules = new Map<string, Module>()
  readonly #removed = new Set<string>()

  constructor(changes: Changes) {
    this.changes = changes
    const added = [...changes.files].filter(([, text]) => text !== null).map(([path]) => path)
    this.#paths = [...new Set([...filesBelow(changes.root, '.'), ...added])].filter(
      (path) => changes.read(path) !== undefined,
    )
    this.members = this.#paths
      .filter((path) => manifest.test(path))
      .map((path) => {
        const { name, exports = {} } = JSON.parse(changes.read(path)!) as {
          name: string
          exports?: Record<string, string>
        }
        const folder = posix.dirname(path)
        const files = Object.entries(exports).map(([key, file]): [string, string] => [key, posix.join(folder, file)])
        return { folder, name, exports: new Map(files) }
      })
  }

  /** All files that are left, or those with such a path. */
  paths(pattern = /(?:)/): string[] {
    return this.#paths.filter((path) => pattern.test(path) && !this.#removed.has(path))
  }

  get domains(): string[] {
    return [
      ...new Set(this.paths(/^packages\/domains\/[^/]+\/package\.json$/).map((path) => domain.exec(path)![1]!)),
    ].sort()
  }

  /** Source files that people write. */
  get sources(): string[] {
    return this.paths(source)
  }

  module(path: string): Module {
    let module = this.#modules.get(path)
    if (!module) {
      module = readModule(path, this.changes.read(path)!)
      this.#modules.set(path, module)
    }
    return module
  }

  write(path: string, text: string): void {
    this.#modules.delete(path)
    this.changes.write(path, text)
  }

  remove(path: string): void {
    this.#removed.add(path)
    this.changes.remove(path)
  }

  has(path: string): boolean {
    return !this.#removed.has(path) && this.changes.read(path) !== undefined
  }

  /** Whether a file, or a folder with all its files, has been removed. */
  lost(path: string): boolean {
    const folder = `${path.replace(/\/$/, '')}/`
    return (
      this.#removed.has(path) ||
      ([...this.#removed].some((one) => one.startsWith(folder)) && this.paths().every((one) => !one.startsWith(folder)))
    )
  }

  /** The file that a specifier in a file means; undefined when it is no file of the workspace. */
  resolve(from: string, specifier: string): string | undefined {
    if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier)
    const member = this.members.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))
    return member?.exports.get(`.${specifier.slice(member.name.length)}`)
  }

  /** The domain to which a file belongs. */
  domainOf(path: string): string | undefined {
    return domain.exec(path)?.[1]
  }

  /** The other domains whose files a file imports. */
  otherDomains(path: string): string[] {
    const others = this.module(path).imports.map(({ specifier }) => this.domainOf(this.resolve(path, specifier) ?? ''))
    return [...new Set(others.filter((other) => other !== undefined && other !== this.domainOf(path)))] as string[]
  }
}

/** A file that tests or measures something: without what it is about it says nothing. */
export const isTest = (path: string) => /^(?:benchmarks\/|[^/]+\/(?:[^/]+\/){0,2}test\/)/.test(path)
