import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../database.ts'
import type { Package, Problem } from './workspace.ts'

/** Versions stand in one place, the catalog of pnpm-workspace.yaml, so that there is one version of everything. */
export function oneVersion(packages: readonly Package[]): Problem[] {
  const names = new Set(packages.map(({ name }) => name))
  return packages.flatMap(({ directory, dependencies, devDependencies }) => {
    const file = join(directory, 'package.json')
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    return Object.entries({ ...dependencies, ...devDependencies }).flatMap(([name, version]) => {
      const wanted = names.has(name) ? 'workspace:*' : 'catalog:'
      if (version === wanted) return []
      const line = lines.findIndex((text) => text.includes(`"${name}":`)) + 1
      return [{ file, line, message: `${name} is "${version}"; write "${wanted}" and put versions into the catalog` }]
    })
  })
}

/** A URL in the lockfile ties the clone to the registry of whoever wrote it. */
export function lockfilesWithoutUrls(): Problem[] {
  return ['pnpm-lock.yaml', 'infra/unleash/package-lock.json'].flatMap(addressesIn)
}

function addressesIn(file: string): Problem[] {
  return readFileSync(join(root, file), 'utf8')
    .split('\n')
    .flatMap((text, index) =>
      /https?:\/\/|git\+|tarball:|\bfile:|"resolved"/.test(text) &&
      !/^ +(deprecated:|"(url|funding|deprecated)": |"https)/.test(text)
        ? [{ file, line: index + 1, message: 'names an address; install from the registry that is configured' }]
        : [],
    )
}
