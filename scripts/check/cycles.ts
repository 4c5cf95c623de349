/** Files that load each other in a circle, whatever packages they are in: what each finds depends on who was loaded first. Types are taken freely: they are gone before anything is loaded. */
import { posix } from 'node:path'
import { importsOf } from './imports.ts'
import type { Package, Problem, Source } from './workspace.ts'

/** One problem for each circle, at the file of it that comes first by its path. */
export function checkCycles(packages: readonly Package[], sources: readonly Source[]): Problem[] {
  const byName = new Map(packages.map((one) => [one.name, one]))
  const paths = new Set(sources.map(({ path }) => path))

  /** Undefined for what is no file of the workspace. */
  function fileOf(path: string, specifier: string): string | undefined {
    if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier)
    const name = specifier.split('/', 2).join('/')
    const to = byName.get(name)
    const target = to?.exports[`.${specifier.slice(name.length)}`]
    return target && posix.join(to.directory, target)
  }

  const targets = new Map(
    sources.map(({ path, text }) => [
      path,
      importsOf(path, text)
        .filter(({ types }) => !types)
        .map(({ specifier }) => fileOf(path, specifier))
        .filter((file): file is string => file !== undefined && paths.has(file)),
    ]),
  )
  const done = new Set<string>()
  const found = new Map<string, string[]>()

  function walk(path: string, way: readonly string[]): void {
    const at = way.indexOf(path)
    if (at >= 0) {
      const circle = way.slice(at)
      found.set([...circle].sort().join(), circle)
      return
    }
    if (done.has(path)) return
    for (const target of targets.get(path) ?? []) walk(target, [...way, path])
    done.add(path)
  }
  for (const { path } of sources) walk(path, [])

  return [...found.values()].map((circle) => {
    const first = circle.indexOf([...circle].sort()[0]!)
    const [file = '', ...rest] = [...circle.slice(first), ...circle.slice(0, first)]
    return {
      file,
      message: `imports itself by way of ${rest.join(', ') || 'itself'}: put what they share into a file that imports neither`,
    }
  })
}
