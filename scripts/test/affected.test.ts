/** What a change can affect, in a repository of its own with the files of this one. */
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { domains } from '@offshoot/gateway/domains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { affectedPackages } from '../affected.ts'
import { NoBase } from '../check/base.ts'
import { readPackages } from '../check/workspace.ts'
import { root } from '../database.ts'
import { planOf } from '../plan.ts'

const clone = mkdtempSync(join(tmpdir(), 'offshoot-affected-'))
const git = (...args: string[]) =>
  execFileSync('git', ['-C', clone, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], {
    encoding: 'utf8',
  })

beforeAll(() => {
  execFileSync('git', ['init', '-q', '--initial-branch=main', clone])
  execFileSync('git', [`--git-dir=${clone}/.git`, `--work-tree=${root}`, 'add', '--all'], { cwd: root })
  git('commit', '-q', '-m', 'all')
  git('reset', '-q', '--hard')
  git('switch', '-q', '-c', 'change')
})
afterAll(() => rmSync(clone, { recursive: true }))

const packages = readPackages().filter(({ directory }) => directory !== '.')
const all = packages.map(({ directory }) => directory).sort()

/** What is affected by a change of these files, which is taken back. */
function affectedBy(...files: string[]): string[] {
  try {
    for (const file of files) appendFileSync(join(clone, file), '\n')
    return affectedPackages(clone).sort()
  } finally {
    git('reset', '-q', '--hard', 'main')
    git('clean', '-q', '-d', '--force')
  }
}

/** The packages that can tell the difference, found in another way than by the code under test: by asking each what it needs. */
function whoNeeds(directory: string): string[] {
  const byName = new Map(packages.map((one) => [one.name, one]))
  const needs = (name: string, seen = new Set<string>()): Set<string> => {
    const one = byName.get(name)
    if (!one || seen.has(name)) return seen
    seen.add(name)
    for (const dependency of Object.keys({ ...one.dependencies, ...one.devDependencies })) needs(dependency, seen)
    return seen
  }
  const changed = packages.find((one) => one.directory === directory)!.name
  return packages
    .filter(({ name }) => needs(name).has(changed))
    .map((one) => one.directory)
    .sort()
}

describe('a change', () => {
  it.each(domains.map(({ name }) => `packages/domains/${name}`))(
    'of %s affects it and whoever needs it, not everything',
    (directory) => {
      const affected = affectedBy(`${directory}/src/contract.ts`)
      expect(affected).toEqual(whoNeeds(directory))
      expect(affected).toEqual(expect.arrayContaining([directory, 'apps/gateway']))
      expect(affected.length).toBeLessThan(all.length)
      expect(affected.filter((one) => one.startsWith('packages/platform/'))).toEqual([])
    },
  )

  it('of the platform affects everything, since everything runs on it', () => {
    expect(affectedBy('packages/platform/data/src/index.ts')).toEqual(all)
  })

  it.each(['pnpm-lock.yaml', 'turbo.json', 'topology.json', 'vitest.config.ts', '.ci/run', '.github/workflows/ci.yml'])(
    'of %s affects everything',
    (file) => {
      expect(affectedBy(file)).toEqual(all)
    },
  )

  it('of prose affects nothing', () => {
    expect(affectedBy('CONTRIBUTING.md', 'docs/architecture.md')).toEqual([])
  })

  it('of what tests of another folder read affects them', () => {
    expect(affectedBy('infra/observability/prometheus/rules/slos.yaml')).toEqual(whoNeeds('scripts'))
    expect(affectedBy('README.md')).toEqual(whoNeeds('apps/gateway'))
  })

  it('that is committed, or not even known to git, affects as much', () => {
    const file = `packages/domains/${domains[0]!.name}/test/more.ts`
    writeFileSync(join(clone, file), '')
    const uncommitted = affectedPackages(clone).sort()
    git('add', '--all')
    git('commit', '-q', '-m', 'more')
    try {
      expect(affectedPackages(clone).sort()).toEqual(uncommitted)
      expect(uncommitted).toEqual(whoNeeds(`packages/domains/${domains[0]!.name}`))
    } finally {
      git('reset', '-q', '--hard', 'main')
    }
  })

  it('is compared with a base, or is not judged', () => {
    git('branch', '-q', '-m', 'main', 'elsewhere')
    try {
      expect(() => affectedPackages(clone)).toThrow(NoBase)
    } finally {
      git('branch', '-q', '-m', 'elsewhere', 'main')
    }
  })
})

it('everything is tested on the base branch itself', () => {
  expect(affectedPackages(clone).sort()).toEqual(all)
})

it.each(['plan.ts', 'contracts.ts', 'test-previous.ts', 'test.ts --affected'])(
  '%s needs a base, and says so',
  (command) => {
    const { status, stderr } = spawnSync(process.execPath, command.split(' '), {
      cwd: join(root, 'scripts'),
      env: { ...process.env, BASE_REF: 'nowhere' },
      encoding: 'utf8',
    })
    expect(stderr).toMatch(
      /^Nothing to compare with: (no commit is shared with nowhere; fetch it|there is no git history here)/,
    )
    expect(status).toBe(1)
  },
)

describe('the plan of a pipeline', () => {
  const names = domains.map(({ name }) => name)
  const topology = { apps: { [names[0]!]: { port: 4101, domains: [names[0]!] } } }

  it('divides the domains in every way that is worth it, and builds what the topology has', () => {
    const plan = planOf(root, all, domains, topology)
    expect(plan.topologies).toEqual([...names, 'all', 'all+databases'])
    expect(plan.images.map(({ app, dockerfile }) => [app, dockerfile])).toEqual([
      ['gateway', 'Dockerfile'],
      [names[0], `apps/${names[0]}/Dockerfile`],
    ])
    const withFaults = all.filter(
      (one) => JSON.parse(readFileSync(join(root, one, 'package.json'), 'utf8')).scripts?.['test:faults'],
    )
    expect(plan.faults.sort()).toEqual(withFaults.map((one) => one.split('/').at(-1)).sort())
  })

  it('has nothing to do for prose, and no topologies for tools', () => {
    expect(planOf(root, [], domains, topology)).toMatchObject({ affected: [], topologies: [], faults: [] })
    expect(planOf(root, ['benchmarks'], domains, topology)).toMatchObject({ topologies: [] })
  })
})
