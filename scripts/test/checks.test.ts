/** That each check finds what it is for: a violation is planted, and what is said about it is good enough to act on. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { domains } from '@offshoot/gateway/domains'
import { afterAll, describe, expect, it } from 'vitest'
import { addressesIn, knownGood, licences, oneVersion } from '../check/dependencies.ts'
import { compare, permissionTables } from '../check/generated.ts'
import { checkMigrations } from '../check/migrations.ts'
import { checkUnused } from '../check/unused.ts'
import { root } from '../database.ts'
import { domainsOf } from '../domains.ts'

const directories: string[] = []
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true })
})

/** A directory with these files. */
function tree(files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-checks-'))
  directories.push(directory)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text)
  }
  return directory
}

describe('a dependency', () => {
  const under = (licence: string, name = 'something') =>
    licences(async () => ({ [licence]: [{ name, versions: ['1.0.0'] }] }))

  it.each(['MIT', 'Apache-2.0', '(MIT OR GPL-3.0)', 'MIT and ISC', 'MIT-0'])('may be under %s', async (licence) => {
    expect(await under(licence)).toEqual([])
  })

  it.each(['AGPL-3.0', 'MIT AND GPL-3.0', 'BUSL-1.1', 'Unknown', 'SEE LICENSE IN LICENSE.md'])(
    'may not be under %s',
    async (licence) => {
      expect(await under(licence)).toEqual([
        { file: 'pnpm-lock.yaml', message: expect.stringMatching(/^something@1.0.0 is under '.*pnpm why something/) },
      ])
    },
  )

  it('is tolerated by its name, not by its licence', async () => {
    expect(await under('MPL-2.0', 'lightningcss-linux-x64-gnu')).toEqual([])
    expect(await under('MPL-2.0')).toHaveLength(1)
  })

  it('may not be of a version that is known to be bad', () => {
    const lockfile = (version: string) =>
      `packages:\n\n  better-auth@${version}:\n    resolution: {}\n  '@types/node@1.0.0':\n`
    expect(knownGood(lockfile('1.7.25'))).toEqual([])
    expect(knownGood(lockfile('1.10.0'))).toEqual([])
    expect(knownGood(lockfile('1.7.3'))).toEqual([
      {
        file: 'pnpm-lock.yaml',
        line: 3,
        message: expect.stringMatching(/better-auth 1.7.3 is older than 1.7.25: CVE.*pnpm why better-auth/),
      },
    ])
    expect(knownGood(lockfile('1.7.25').replace('@types/node', '@graphql-tools/utils'))).toHaveLength(1)
  })

  it('has its version in the catalog', () => {
    const dependencies = { zod: 'catalog:', '@shop/till': 'workspace:*', pino: '^10.0.0', '@shop/scale': '1.0.0' }
    const root = tree({ 'till/package.json': JSON.stringify({ dependencies }, null, 2) })
    const packages = [
      { directory: 'till', name: '@shop/till', exports: {}, dependencies, devDependencies: { vitest: 'latest' } },
    ]
    expect(oneVersion(packages, root).map(({ message }) => message)).toEqual([
      'pino is "^10.0.0"; write "catalog:" and put versions into the catalog',
      '@shop/scale is "1.0.0"; write "catalog:" and put versions into the catalog',
      'vitest is "latest"; write "catalog:" and put versions into the catalog',
    ])
  })

  it.each([
    '    resolution: {integrity: sha512-a, tarball: https://registry.example.com/a.tgz}',
    '      "resolved": "https://registry.example.com/a/-/a-1.0.0.tgz",',
    '  a@git+ssh://git@example.com/a.git#1:',
    "  'a@file:../a':",
  ])('is not locked to an address: %s', (line) => {
    const others = 'lockfileVersion: 9\n    deprecated: see https://example.com\n'
    expect(addressesIn('pnpm-lock.yaml', `${others}${line}\n`)).toEqual([
      { file: 'pnpm-lock.yaml', line: 3, message: 'names an address; install from the registry that is configured' },
    ])
  })
})

describe('what is generated', () => {
  it('is found when it is not what the code says', () => {
    const message = 'is not what the code says; npm run check -- --write, and review the change'
    const page = readFileSync(join(root, 'docs/modules.md'), 'utf8').split('\n')
    expect(compare('docs/modules.md', page.join('\n'), false)).toEqual([])
    expect(compare('docs/modules.md', page.with(3, 'another').join('\n'), false)).toEqual([
      { file: 'docs/modules.md', line: 4, message },
    ])
    expect(compare('docs/nowhere.md', 'a', false)).toEqual([{ file: 'docs/nowhere.md', line: 1, message }])
  })

  it('is found when it says otherwise who may do what', () => {
    const [domain] = domains as [(typeof domains)[0]]
    const contract = {
      ...domain.contract,
      actions: { ...domain.contract.actions, 'planted:write': ['owner' as const] },
    }
    expect(permissionTables([domain], false)).toEqual([])
    expect(permissionTables([{ ...domain, contract }], false)).toEqual([
      {
        file: `packages/domains/${domain.name}/README.md`,
        line: expect.any(Number),
        message: `says otherwise than the contract of ${domain.name}; npm run check -- --write`,
      },
    ])
  })
})

describe('npm run check', () => {
  const check = (args: string[], settings: NodeJS.ProcessEnv) => {
    const { GIT_DIR: _, CI: __, ...env } = process.env
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/check.ts', ...args], {
      cwd: root,
      env: { ...env, ...settings },
      encoding: 'utf8',
    })
    return { status, said: stdout + stderr }
  }

  it.each([
    ['a base branch', { BASE_REF: 'nowhere' }, /no commit is shared with nowhere; fetch it/],
    ['a history', { GIT_DIR: join(tmpdir(), 'no-repository-of-offshoot') }, /there is no git history here/],
  ])('says what cannot be judged without %s, and passes nowhere but on a machine of one’s own', (_, settings, why) => {
    const alone = check(['compatible', 'migrations'], settings)
    for (const name of ['compatible', 'migrations'])
      expect(alone.said).toMatch(new RegExp(`^\\? ${name} +could not run: ${why.source}`, 'm'))
    expect(alone.said).toMatch(/^0 of 2 checks hold, 2 could not run$/m)
    expect(alone.status).toBe(0)
    expect(check(['compatible'], { ...settings, CI: 'true' }).status).toBe(1)
  })

  it('fails, and says where, when something is wrong', () => {
    // The base branch as all that is here, with one call more in a contract.
    const repository = tree({})
    const [domain] = domainsOf(root)
    const file = `packages/domains/${domain}/contract.json`
    const contract = JSON.parse(readFileSync(join(root, file), 'utf8'))
    contract.calls.planted = Object.values(contract.calls)[0]
    execFileSync('git', ['init', '-q', '--initial-branch=main', repository])
    const env = { ...process.env, GIT_DIR: join(repository, '.git'), GIT_WORK_TREE: root }
    const git = (args: string[], input?: string) =>
      execFileSync('git', args, { cwd: root, env, input, encoding: 'utf8' })
    git(['add', '--all'])
    const blob = git(['hash-object', '-w', '--stdin'], JSON.stringify(contract)).trim()
    git(['update-index', '--cacheinfo', `100644,${blob},${file}`])
    git(['-c', 'user.name=Test', '-c', 'user.email=test@offshoot.test', 'commit', '-qm', 'base'])
    const { GIT_DIR, GIT_WORK_TREE } = env
    const { status, said } = check(['compatible', 'flags'], { GIT_DIR, GIT_WORK_TREE, BASE_REF: 'main' })
    expect(said).toMatch(/^✗ compatible .*\n {4}.*contract.json {2}the call planted is gone\. Keep what was there/m)
    expect(said).toMatch(/^✓ flags/m)
    expect(said).toMatch(/^1 of 2 checks hold, 1 failed$/m)
    expect(status).toBe(1)
  })

  it('knows its checks', () => {
    expect(check(['licenses'], {})).toEqual({
      status: 2,
      said: expect.stringMatching(/^There is no check 'licenses': types, lint, .*licences/),
    })
  })
})

describe('a new migration', () => {
  const folder = 'packages/domains/warehouse/prisma/migrations'
  const judge = async (sql: string) => {
    const directory = tree({ [`${folder}/1_init/migration.sql`]: 'CREATE INDEX "old" ON "shelf"("zone");' })
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', directory, '-c', 'user.name=Test', '-c', 'user.email=test@offshoot.test', ...args])
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'base')
    mkdirSync(join(directory, folder, '2_change'))
    writeFileSync(join(directory, folder, '2_change/migration.sql'), sql)
    return checkMigrations(git('rev-parse', 'HEAD').toString().trim(), directory)
  }

  it.each([
    [
      'makes a table with its index',
      'CREATE TABLE "box" ("id" UUID PRIMARY KEY, "zone" TEXT);\nCREATE INDEX "box_zone" ON "box"("zone");',
    ],
    ['makes an index beside those who write', 'CREATE INDEX CONCURRENTLY "shelf_zone" ON "shelf"("zone");'],
    ['adds a column that may be null', 'ALTER TABLE "shelf" ADD COLUMN "note" TEXT;'],
    [
      'says why it does so all the same',
      '-- The table has ten rows.\n-- squawk-ignore require-concurrent-index-creation\nCREATE INDEX "shelf_zone" ON "shelf"("zone");',
    ],
  ])('is well when it %s; what was applied before is not judged', async (_, sql) => {
    expect(await judge(sql)).toEqual([])
  })

  it.each([
    [
      'locks a table against writing for as long as an index is made',
      'CREATE INDEX "shelf_zone" ON "shelf"("zone");',
      'require-concurrent-index-creation',
    ],
    [
      'reads a whole table under a lock',
      'ALTER TABLE "shelf" ADD CONSTRAINT "level" CHECK (level > 0);',
      'constraint-missing-not-valid',
    ],
    ['takes away what the version before reads', 'ALTER TABLE "shelf" DROP COLUMN "zone";', 'ban-drop-column'],
    ['renames what the version before reads', 'ALTER TABLE "shelf" RENAME COLUMN "zone" TO "area";', 'renaming-column'],
    ['rewrites a table', 'ALTER TABLE "shelf" ALTER COLUMN "level" TYPE BIGINT;', 'changing-column-type'],
    [
      'asks for what rows that are there do not have',
      'ALTER TABLE "shelf" ADD COLUMN "area" TEXT NOT NULL;',
      'adding-required-field',
    ],
  ])('is found when it %s', async (_, sql, rule) => {
    expect(await judge(sql)).toContainEqual({
      file: `${folder}/2_change/migration.sql`,
      line: 1,
      message: expect.stringMatching(
        new RegExp(`\\[${rule}; -- squawk-ignore ${rule} above the statement, and say why\\]`),
      ),
    })
  })
})

describe('what nobody uses', () => {
  it('is found: a file, an export, a dependency', async () => {
    const directory = tree({
      'package.json': JSON.stringify(
        {
          name: 'planted',
          type: 'module',
          main: 'main.js',
          dependencies: { pino: '1.0.0' },
        },
        null,
        2,
      ),
      'knip.json': '{ "entry": ["main.js"], "project": ["*.js"] }',
      'main.js': "import { used } from './lib.js'\nused()\n",
      'lib.js': 'export const used = () => {}\nexport const idle = () => {}\n',
      'lost.js': 'export {}\n',
    })
    expect(await checkUnused(directory)).toEqual(
      expect.arrayContaining([
        { file: 'lib.js', line: 2, message: 'idle is exported, and used by nobody' },
        { file: 'lost.js', line: undefined, message: expect.stringMatching(/^nobody imports it: delete it/) },
        { file: 'package.json', line: expect.any(Number), message: 'pino is a dependency that nothing imports' },
      ]),
    )
  })
})
