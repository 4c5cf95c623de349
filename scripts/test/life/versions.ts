/**
 * Two versions of the template: this tree, and one with a change of every kind. A product of the first is a template like any other once it has forgotten that it is one, so that
 * what is tested with them holds there too.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { root } from '../../database.ts'
import { manifestOf, RECORD } from '../../template/initialise.ts'
import { titleOf } from '../../template/rename.ts'
import { sh } from '../shell.ts'

export const { name, version } = manifestOf(root)
const title = titleOf(name)
export const next = '999.1.0'

export const identity = 'packages/domains/identity'
const migrations = `${identity}/prisma/migrations`
export const [first, added] = [
  `${migrations}/20261124000000_init/migration.sql`,
  `${migrations}/29990101000000_more/migration.sql`,
]

export const at = (place: string) => ({
  read: (path: string) => readFileSync(join(place, path), 'utf8'),
  has: (path: string) => existsSync(join(place, path)),
  write: (path: string, text: string) => {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    writeFileSync(join(place, path), text)
  },
  append: (path: string, text: string) => appendFileSync(join(place, path), text),
  replace: (path: string, before: string | RegExp, after: string) => {
    const text = readFileSync(join(place, path), 'utf8')
    expect(text).toMatch(before)
    writeFileSync(join(place, path), text.replace(before, after))
  },
})

export const commit = (message: string) => `git add -A && git commit -qm '${message}'`
export const identified = `git config user.email test@${name}.test && git config user.name Test && git config core.hooksPath /dev/null`

const pages = {
  'docs/former.md': 'former',
  'docs/guides/disputed.md': 'disputed',
  'docs/guides/here.md': 'somewhere else',
  'docs/outdated.md': 'outdated',
}

/** Makes the template's repository, with a tag for each version. */
export async function makeTemplate(directory: string): Promise<void> {
  const template = join(directory, 'template')
  const inTemplate = (command: string) => sh(template, command)
  const theirs = at(template)
  await sh(directory, `git clone -q "${root}" template`)
  await inTemplate(identified)
  if (theirs.has(RECORD)) await inTemplate(`git rm -q ${RECORD} && ${commit('as a template')}`)
  // Pages to which nothing leads, so that the next version may move and remove them.
  for (const [page, word] of Object.entries(pages))
    theirs.write(page, `# What is ${word}\n\n${`This is ${word}.\n`.repeat(9)}`)
  await inTemplate(`${commit('pages')} && git tag v${version}`)

  theirs.append('packages/platform/config/README.md', `\nMore about ${title}.\n`)
  theirs.replace('README.md', /^# .*$/m, `# ${title}, the second`)
  theirs.write('docs/guides/later.md', `# What ${title} has since\n`)
  theirs.append(first, '\n-- Written differently.\n')
  theirs.write(added, 'SELECT 1;\n')
  theirs.replace('apps/gateway/schema.graphql', /^type Query/m, '"""Asked by theirs."""\ntype Query')
  theirs.replace(`${identity}/src/audit.ts`, /^/, '// Theirs.\n')
  theirs.append('pnpm-lock.yaml', '\n# Theirs.\n')
  // #region with catalog
  theirs.append('packages/domains/catalog/README.md', '\nMore about the catalog.\n')
  // #endregion
  theirs.replace('package.json', /"version": ".*"/, `"version": "${next}"`)
  theirs.replace('CHANGELOG.md', '## Unreleased', `## Unreleased\n\n## ${next} - 2999-01-01`)
  await inTemplate('git mv docs/guides/here.md docs/guides/there.md')
  await inTemplate('git rm -q docs/former.md docs/guides/disputed.md docs/outdated.md')
  await inTemplate(`${commit('the next version')} && git tag v${next}`)
}
