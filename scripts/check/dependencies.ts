import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../database.ts'
import { run } from '../run.ts'
import type { Package, Problem } from './workspace.ts'

/** Versions stand in one place, the catalog of pnpm-workspace.yaml, so that there is one version of everything. */
export function oneVersion(packages: readonly Package[], at = root): Problem[] {
  const names = new Set(packages.map(({ name }) => name))
  return packages.flatMap(({ directory, dependencies, devDependencies }) => {
    const file = join(directory, 'package.json')
    const lines = readFileSync(join(at, file), 'utf8').split('\n')
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
  return ['pnpm-lock.yaml', 'infra/unleash/package-lock.json'].flatMap((file) =>
    addressesIn(file, readFileSync(join(root, file), 'utf8')),
  )
}

export function addressesIn(file: string, text: string): Problem[] {
  return text
    .split('\n')
    .flatMap((text, index) =>
      /https?:\/\/|git\+|tarball:|(?<![\w-])file:|"resolved"/.test(text) &&
      !/^ +(deprecated:|"(url|funding|deprecated)": |"https)/.test(text)
        ? [{ file, line: index + 1, message: 'names an address; install from the registry that is configured' }]
        : [],
    )
}

/** What may be in the workspace without a word: it asks for no more than its notice. */
const permissive = /^(MIT|MIT-0|ISC|0BSD|Apache-2\.0|BSD-[23]-Clause|BlueOak-1\.0\.0|CC0-1\.0|Python-2\.0|Unlicense)$/

/** What else there is, and why. None of it is part of what is served. */
const tolerated: Readonly<Record<string, string>> = {
  elkjs: 'EPL-2.0; draws in Prisma’s own tool, which is not run',
  lightningcss: 'MPL-2.0; Vite brings it for style sheets, of which there are none',
}

/** Every package's licence, as its package.json names it. */
export async function licences(list: () => Promise<LicenceList> = listLicences): Promise<Problem[]> {
  return Object.entries(await list()).flatMap(([licence, packages]) => {
    const words = licence.replaceAll(/[()]/g, '').split(/ (?:or|OR) /)
    if (words.some((word) => word.split(/ (?:and|AND) /).every((one) => permissive.test(one)))) return []
    return packages
      .filter(({ name }) => !Object.keys(tolerated).some((known) => name === known || name.startsWith(`${known}-`)))
      .map(({ name, versions }) => ({
        file: 'pnpm-lock.yaml',
        message: `${name}@${versions.join(', ')} is under '${licence}', which is not permissive: do without it (pnpm why ${name} says who brings it)`,
      }))
  })
}

export type LicenceList = Record<string, { name: string; versions: string[] }[]>

async function listLicences(): Promise<LicenceList> {
  const { code, output } = await run('pnpm', ['--recursive', 'licenses', 'list', '--json'], { quiet: true })
  if (code !== 0) throw new Error(`The licences cannot be listed:\n${output}`)
  return JSON.parse(output.slice(output.indexOf('{')))
}

/** Versions that must not come back, by package: the first that is good, and what was wrong. */
const minimums: Readonly<Record<string, readonly [version: string, why: string]>> = {
  'better-auth': ['1.7.25', 'CVE-2025-61928, GHSA-fmh4-wcc4-5jm3 and others'],
  '@better-auth/core': ['1.7.25', 'one version with better-auth'],
  '@graphql-tools/utils': ['12.0.1', 'GHSA-7mx3-vvmw-hjmv (CVE-2026-104852): mergeDeep pollutes prototypes'],
  '@escape.tech/graphql-armor-max-depth': ['2.4.2', 'a way around the limit (Escape-Technologies/graphql-armor#824)'],
  'graphql-yoga': ['5.24.1', 'bodies without a limit (graphql-hive/graphql-yoga#4580)'],
}

/** Whether the lockfile has a version that is known to be bad, however it came there. */
export function knownGood(lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')): Problem[] {
  return [...lockfile.matchAll(/^ {2}'?((?:@[\w.-]+\/)?[\w.-]+)@(\d+)\.(\d+)\.(\d+)(-[\w.]+)?'?:$/gm)].flatMap(
    (match) => {
      const [, name = '', ...numbers] = match
      const minimum = Object.hasOwn(minimums, name) && minimums[name]
      if (!minimum) return []
      const [first, why] = minimum
      const version = numbers.slice(0, 3).map(Number)
      if (!isOlder(version, first.split('.').map(Number))) return []
      const line = lockfile.slice(0, match.index).split('\n').length
      return [
        {
          file: 'pnpm-lock.yaml',
          line,
          message: `${name} ${version.join('.')} is older than ${first}: ${why}. Update it; pnpm why ${name} says who brings it`,
        },
      ]
    },
  )
}

function isOlder(version: readonly number[], than: readonly number[]): boolean {
  const at = than.findIndex((number, place) => version[place] !== number)
  return at >= 0 && version[at]! < than[at]!
}
