import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { git, gitAnswer } from '../git.ts'
import { Refusal } from '../refusal.ts'
import type { TemplateRecord } from './initialise.ts'

export interface Version {
  version: string
  commit: string
}

/** Fetches the version that a product began as, and the one that is wanted, into a repository. */
export function fetchVersions(
  repository: string,
  record: TemplateRecord,
  { to, from }: { to?: string; from?: string },
): { old: Version; next: Version } {
  const given = from ?? record.source
  if (!given)
    throw new Refusal(
      'NO_SOURCE',
      'It is not known where the template is. Say so: --from <URL or path of its repository>.',
    )
  const source = existsSync(given) ? resolve(given) : given
  const versions = versionsOf(source)
  const newest = versions.at(-1)
  const version = to?.replace(/^v/, '') ?? newest
  if (!version || !versions.includes(version))
    throw new Refusal(
      'UNKNOWN_VERSION',
      `${source} has no ${version ? `version ${version}` : 'versions, which are tags like v1.2.3'}${newest ? `. The newest is ${newest}` : ''}.`,
    )
  if (version === record.version)
    throw new Refusal(
      'ALREADY_THERE',
      `This product has version ${version} of the template${version === newest ? ', the newest,' : ''} already.`,
    )
  if (compare(version, record.version) < 0)
    throw new Refusal('OLDER_VERSION', `${version} is older than ${record.version}, which this product has.`)

  git('.', ['init', '-q', repository])
  const fetched = (ref: string) => {
    if (gitAnswer(repository, 'fetch', '-q', '--depth=1', '--no-tags', '--', source, ref) === undefined)
      return undefined
    return gitAnswer(repository, 'rev-parse', 'FETCH_HEAD^{commit}')
  }
  const next = fetched(`refs/tags/v${version}`)
  // Who cloned between two versions began with a commit. A copy of the template has other commits, and began as the version says.
  const old = (record.commit && fetched(record.commit)) ?? fetched(`refs/tags/v${record.version}`)
  if (!old) throw new Refusal('UNKNOWN_VERSION', `${source} has no version ${record.version}, which this product has.`)
  if (!next) throw new Refusal('UNREACHABLE', `Version ${version} cannot be fetched from ${source}.`)
  return { old: { version: record.version, commit: old }, next: { version, commit: next } }
}

/** Released versions, in their order. */
function versionsOf(source: string): string[] {
  let tags: string
  try {
    tags = git('.', ['ls-remote', '--tags', '--refs', '--', source, 'v*'])
  } catch (error) {
    throw new Refusal(
      'UNREACHABLE',
      `The template cannot be reached at ${source}: ${(error as { stderr: string }).stderr.trim()}`,
    )
  }
  return Array.from(tags.matchAll(/refs\/tags\/v(\d+\.\d+\.\d+)$/gm), ([, version]) => version!).sort(compare)
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}
