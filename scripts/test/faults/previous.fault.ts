/** The version before on the tables of the next one: `npm run test:previous` in a clone, of which a migration breaks what runs, and of which one only adds. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { root } from '../../database.ts'
import { domainsOf } from '../../domains.ts'
import { installedClone } from '../clone.ts'
import { sh } from '../shell.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-previous-'))
/** The domain with the fewest files of tests, and its first table. */
const [domain = ''] = domainsOf(root).sort((a, b) => testsOf(a) - testsOf(b))
const migrations = `packages/domains/${domain}/prisma/migrations`
const [, table] = /CREATE TABLE ("\w+")/.exec(
  readFileSync(join(root, migrations, readdirSync(join(root, migrations)).sort()[0]!, 'migration.sql'), 'utf8'),
)!
let clone: string

function testsOf(name: string): number {
  return readdirSync(join(root, 'packages/domains', name, 'test')).filter((file) => file.endsWith('.test.ts')).length
}

/** What the command says to a change that has this migration. */
function tested(sql: string): Promise<string> {
  const folder = join(clone, migrations, '29990101000000_next')
  mkdirSync(folder)
  writeFileSync(join(folder, 'migration.sql'), sql)
  return sh(clone, 'npm run -s test:previous')
}

beforeAll(async () => {
  clone = await installedClone(directory)
  await sh(clone, 'git switch -qc change')
}, 120_000)
beforeEach(() => sh(clone, 'git clean -fdq packages'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

it('lives with what is added beside the old', async () => {
  const said = await tested(`ALTER TABLE ${table} ADD COLUMN "of_the_next_version" TEXT;\n`)
  expect(said).toMatch(new RegExp(`^The tests of ${domain} as they are in \\w+, with 29990101000000_next:`, 'm'))
  expect(said).toMatch(/[1-9]\d* passed, 0 failed/)
}, 300_000)

it('does not live without what it reads, and the change is told what to do', async () => {
  await expect(tested(`ALTER TABLE ${table} RENAME TO "of_the_next_version";\n`)).rejects.toThrow(
    /The version before cannot live with these migrations\. Expand first: add what is new beside what is old/,
  )
  expect(await sh(clone, 'git worktree list')).toMatch(/^.*\n$/)
}, 300_000)
