import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root as here } from '../database.ts'

/** A package of the workspace, as its package.json describes it. */
export interface Package {
  /** Below the root, with slashes: `packages/domains/orders`. */
  directory: string
  name: string
  /** What others may import, `.` or `./contract`, and the file behind it, below the package's directory. */
  exports: Readonly<Record<string, string>>
  dependencies: Readonly<Record<string, string>>
  devDependencies: Readonly<Record<string, string>>
}

/** A source file, below the root. */
export interface Source {
  path: string
  text: string
}

/** Something to put right. */
export interface Problem {
  file: string
  line?: number
  message: string
}

/** The packages of the workspace, the root's own among them as `.`. */
export function readPackages(root = here): Package[] {
  return globSync('{.,apps/*,packages/*/*,benchmarks,scripts}/package.json', { cwd: root }).map((path) => {
    const manifest = JSON.parse(readFileSync(join(root, path), 'utf8'))
    return {
      directory: dirname(path).replaceAll('\\', '/'),
      name: manifest.name,
      exports: manifest.exports ?? {},
      dependencies: manifest.dependencies ?? {},
      devDependencies: manifest.devDependencies ?? {},
    }
  })
}

/** Every source file that people write. */
export function readSources(root = here): Source[] {
  return globSync('{apps/*,packages/*/*,benchmarks,scripts}/**/*.{ts,tsx,mjs}', {
    cwd: root,
    exclude: (path) => /(^|[\\/])(node_modules|generated|dist)$/.test(path),
  }).map((path) => ({ path: path.replaceAll('\\', '/'), text: readFileSync(join(root, path), 'utf8') }))
}
