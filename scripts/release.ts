/**
 * `npm run release -- <plan | version | notes <file>>`: the product has one version, in package.json. What changes it stands in `.changeset/*.md`, as Changesets has it: packages with `major`,
 * `minor` or `patch`, and a text. `plan` says what is to be done, `version` takes them into CHANGELOG.md, `notes` writes what is in there about this version.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPackages } from './check/workspace.ts'

const bumps = ['major', 'minor', 'patch'] as const
type Bump = (typeof bumps)[number]

export interface Changeset {
  file: string
  /** The largest of its packages. */
  bump: Bump
  text: string
}

/** Throws when one is not as it should be: what is not understood must not be left out of a version. */
export function readChangesets(root: string): Changeset[] {
  const names = new Set(readPackages(root).map(({ name }) => name))
  return globSync('.changeset/*.md', { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((file) => file !== '.changeset/README.md')
    .sort()
    .map((file) => {
      const [, head, text = ''] = /^---\n(.*?\n)---\n(.*)$/s.exec(readFileSync(join(root, file), 'utf8')) ?? []
      const lines = head?.trim().split('\n') ?? []
      const found = lines.map((line) => {
        const [, name, bump] = /^['"]?([@\w/-]+)['"]?: (major|minor|patch)$/.exec(line) ?? []
        if (!name)
          throw new Error(`${file}: '${line}' is not a package and major, minor or patch, like '"@scope/name": minor'.`)
        if (!names.has(name)) throw new Error(`${file}: there is no package ${name}.`)
        return bump as Bump
      })
      const bump = bumps.find((one) => found.includes(one))
      if (!bump || !text.trim())
        throw new Error(`${file}: between two lines of --- must stand what changes, and below it why.`)
      return { file, bump, text: text.trim() }
    })
}

/** By the largest change. Before 1.0.0 a major one is minor, and the rest patches. */
export function nextVersion(version: string, changesets: readonly Changeset[]): string | undefined {
  const bump = bumps.findIndex((one) => changesets.some((changeset) => changeset.bump === one))
  if (bump < 0) return undefined
  const parts = version.split('.').map(Number)
  const at = parts[0] === 0 ? Math.min(bump + 1, 2) : bump
  return parts.map((part, index) => (index < at ? part : index === at ? part + 1 : 0)).join('.')
}

const headings: Record<Bump, string> = { major: 'Changed, and no longer compatible', minor: 'Added', patch: 'Fixed' }

/** The changelog with a section of the version, in which also stands what was written below `Unreleased` by hand. */
export function withVersion(changelog: string, version: string, day: string, changesets: readonly Changeset[]): string {
  const [, before, unreleased, after] = /^(.*?## Unreleased\n)(.*?)((?:\n## .*)?)$/s.exec(changelog) ?? []
  if (before === undefined) throw new Error('CHANGELOG.md has no section `## Unreleased`.')
  const parts = bumps.flatMap((bump) => {
    const texts = changesets.filter((changeset) => changeset.bump === bump).map(({ text }) => text)
    return texts.length === 0
      ? []
      : [`### ${headings[bump]}`, texts.map((text) => `- ${text.replaceAll('\n', '\n  ')}`).join('\n')]
  })
  const section = [`## ${version} - ${day}`, ...(unreleased!.trim() ? [unreleased!.trim()] : []), ...parts]
  return `${before}\n${section.join('\n\n')}\n${after}`
}

/** What the changelog says of a version. */
export function notesOf(changelog: string, version: string): string {
  const section = changelog.split(/^## /m).find((one) => one.startsWith(`${version} `))
  if (!section) throw new Error(`CHANGELOG.md has no section of ${version}.`)
  return section.slice(section.indexOf('\n')).trim()
}

function main([command, to]: string[]): void {
  const root = process.cwd()
  const file = (name: string) => join(root, name)
  const manifest = readFileSync(file('package.json'), 'utf8')
  const { version } = JSON.parse(manifest) as { version: string }
  const changelog = existsSync(file('CHANGELOG.md')) ? readFileSync(file('CHANGELOG.md'), 'utf8') : ''
  const changesets = readChangesets(root)
  const next = nextVersion(version, changesets)
  if (command === 'plan') {
    const tagged = execFileSync('git', ['tag', '--list', `v${version}`], { cwd: root, encoding: 'utf8' }).trim() !== ''
    const plan = { next: next ?? '', untagged: tagged ? '' : version }
    console.log(JSON.stringify(plan))
    const outputs = Object.entries(plan).map(([name, value]) => `${name}=${value}\n`)
    if (process.env.GITHUB_OUTPUT) appendFileSync(process.env.GITHUB_OUTPUT, outputs.join(''))
  } else if (command === 'version') {
    if (!next) throw new Error('There is no changeset: nothing to make a version of.')
    const day = new Date().toISOString().slice(0, 10)
    writeFileSync(file('CHANGELOG.md'), withVersion(changelog, next, day, changesets))
    writeFileSync(file('package.json'), manifest.replace(`"version": "${version}"`, `"version": "${next}"`))
    for (const changeset of changesets) rmSync(file(changeset.file))
    console.log(`${version} → ${next}`)
  } else if (command === 'notes' && to) {
    writeFileSync(to, notesOf(changelog, version))
  } else {
    console.error('npm run release -- <plan | version | notes <file>>')
    process.exitCode = 2
  }
}

if (import.meta.main) main(process.argv.slice(2))
