import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { contractsPage } from '../contracts.ts'
import { root } from '../database.ts'
import { nextVersion, notesOf, readChangesets, withVersion } from '../release.ts'

const directories: string[] = []
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true })
})

/** A product in version 1.4.2, with these changesets. */
function product(changesets: Record<string, string>) {
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-release-'))
  directories.push(directory)
  const put = (file: string, text: string) => writeFileSync(join(directory, file), text)
  const read = (file: string) => readFileSync(join(directory, file), 'utf8')
  mkdirSync(join(directory, '.changeset'))
  mkdirSync(join(directory, 'packages/domains/orders'), { recursive: true })
  put('package.json', '{\n  "name": "product",\n  "version": "1.4.2"\n}\n')
  put('packages/domains/orders/package.json', '{ "name": "@product/orders" }')
  put('CHANGELOG.md', '# Changelog\n\n## Unreleased\n\n### Added\n\n- By hand.\n\n## 1.4.2 - 2026-01-01\n\n- Old.\n')
  for (const [name, text] of Object.entries(changesets)) put(`.changeset/${name}.md`, text)
  execFileSync('git', ['init', '-q', directory])
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', directory, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args])
  git('add', '--all')
  git('commit', '-q', '-m', 'all')
  const release = (...args: string[]) => {
    const env = { ...process.env, GITHUB_OUTPUT: join(directory, 'outputs') }
    return spawnSync(process.execPath, [join(root, 'scripts/release.ts'), ...args], {
      cwd: directory,
      encoding: 'utf8',
      env,
    })
  }
  return { directory, read, git, release }
}

const changeset = (bump: string, text: string) => `---\n'@product/orders': ${bump}\n---\n\n${text}\n`

describe('a release', () => {
  it('takes changesets into the changelog, and the version on', () => {
    const { directory, read, release, git } = product({
      a: changeset('patch', 'Totals are right.'),
      b: changeset('minor', 'Orders\ncan be split.'),
    })
    expect(release('plan').status).toBe(0)
    expect(read('outputs')).toBe('next=1.5.0\nuntagged=1.4.2\n')
    expect(release('version').stdout).toBe('1.4.2 → 1.5.0\n')
    expect(JSON.parse(read('package.json')).version).toBe('1.5.0')
    expect(existsSync(join(directory, '.changeset/a.md'))).toBe(false)
    const day = new Date().toISOString().slice(0, 10)
    expect(read('CHANGELOG.md')).toBe(
      `# Changelog\n\n## Unreleased\n\n## 1.5.0 - ${day}\n\n### Added\n\n- By hand.\n\n### Added\n\n- Orders\n  can be split.\n\n### Fixed\n\n- Totals are right.\n\n## 1.4.2 - 2026-01-01\n\n- Old.\n`,
    )
    expect(release('notes', join(directory, 'notes.md')).status).toBe(0)
    expect(read('notes.md')).toMatch(/^### Added[\s\S]*- Totals are right\.$/)
    git('tag', 'v1.5.0')
    expect(JSON.parse(release('plan').stdout)).toEqual({ next: '', untagged: '' })
    expect(release('version').stderr).toContain('There is no changeset')
  })

  it.each([
    ["---\n'@product/nobody': minor\n---\n\nWhat?\n", 'there is no package @product/nobody'],
    ["---\n'@product/orders': huge\n---\n\nWhat?\n", 'is not a package and major, minor or patch'],
    [changeset('minor', ''), 'below it why'],
    ['What?\n', 'between two lines of --- must stand what changes'],
  ])('is not made of what is not understood: %j', (text, message) => {
    expect(() => readChangesets(product({ a: text }).directory)).toThrow(message)
  })

  it.each([
    ['1.4.2', 'major', '2.0.0'],
    ['1.4.2', 'minor', '1.5.0'],
    ['1.4.2', 'patch', '1.4.3'],
    ['0.4.2', 'major', '0.5.0'],
    ['0.4.2', 'minor', '0.4.3'],
    ['0.4.2', 'patch', '0.4.3'],
  ] as const)('of %s with a %s change is %s', (version, bump, next) => {
    const patch = { file: '', bump: 'patch', text: '' } as const
    expect(nextVersion(version, [patch, { ...patch, bump }])).toBe(next)
    expect(nextVersion(version, [])).toBeUndefined()
  })

  it('fits the changelog that is here', () => {
    const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
    const text = withVersion(changelog, '99.0.0', '2099-01-01', [{ file: '', bump: 'major', text: 'Everything.' }])
    expect(notesOf(text, '99.0.0')).toContain('- Everything.')
    expect(text.length).toBeGreaterThan(changelog.length)
  })
})

describe('what a change does to contracts', () => {
  it('is told with what it breaks first', () => {
    const page = contractsPage({
      problems: [{ file: 'a.graphql', line: 3, message: 'The field is gone.' }],
      schema: '-  total: Int\n',
      domains: [{ domain: 'orders', added: '3', removed: '1' }],
      migrations: ['packages/domains/orders/prisma/migrations/1/migration.sql'],
    })
    expect(page).toBe(
      '### Contracts\n\n**This breaks what others rely on.**\n\n- `a.graphql:3` The field is gone.\n\nPublic schema:\n\n````diff\n-  total: Int\n````\n\nCalls and events:\n\n- orders: 3 lines added, 1 removed in its contract.json\n\nMigrations:\n\n- `packages/domains/orders/prisma/migrations/1/migration.sql`\n',
    )
  })

  it('fits into a comment', () => {
    const page = contractsPage({ problems: [], schema: '+ type A\n'.repeat(20_000), domains: [], migrations: [] })
    expect(page.length).toBeLessThan(65_536)
    expect(page).toContain('… and more')
  })
})
