/**
 * Every script of every pipeline, run as the runner runs it. Programs that need GitHub, a registry or root are stood in for, and write down how they were called. So is npm: what it was called
 * with is compared with what `.ci/run` runs, or is run here.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readPipelines, scriptsOf } from '../../check/workflows.ts'
import { root } from '../../database.ts'

/** Programs that are not run here, and why. */
const standIns: Readonly<Record<string, string>> = {
  '.ci/run': 'runs this test',
  curl: 'asks what docker has started',
  docker: 'needs its daemon, a registry, and base images from the network',
  gh: 'needs GitHub',
  npm: 'what it runs is looked at below',
  sudo: 'needs a machine that may be changed; `.ci/run` runs the same program',
}

/** Commands of package.json that `.ci/run` does not run, and who does. */
const ranByTests: Readonly<Record<string, string>> = {
  bench: 'measures for minutes, on a machine that does nothing else; that there are such programs, below',
  contracts: 'below',
  deploy: 'its arguments below, the rest by deployment.fault.ts',
  plan: 'below',
  release: 'release.test.ts',
  review: 'below',
  'test:previous': 'below',
}

/** What steps get, by the names that they have for it, and what every step gets. */
const settings: Readonly<Record<string, string>> = {
  BASE_REF: 'origin/main',
  DIGEST: `sha256:${'a'.repeat(64)}`,
  ENVIRONMENT: 'staging',
  GH_TOKEN: 'token',
  IMAGE: 'product-gateway',
  KUBECONFIG: 'kubeconfig',
  NEXT: '1.2.3',
  NUMBER: '7',
  PACKAGE: 'data',
  PROCESSOR: 'arm64',
  PROMETHEUS_URL: 'http://127.0.0.1:9',
  RESULTS: 'success skipped',
  TEST_DATABASE_URL: 'postgres://127.0.0.1/',
  TEXT: "it's\n  a kubeconfig\n",
  TOPOLOGY: 'all+databases',
  VERSION: '1.2.3',
}
const runners = {
  GITHUB_REPOSITORY: 'Some-Team/product',
  GITHUB_REPOSITORY_OWNER: 'Some-Team',
  GITHUB_SHA: 'b'.repeat(40),
}

interface Step {
  title: string
  run: string
  /** The names of what it gets: a script that uses another fails. */
  gets: string[]
}

type Described = { run?: string; env?: object }
const steps = readPipelines().flatMap(({ path, text }): Step[] => {
  const {
    env,
    jobs = {},
    runs,
  } = parse(text) as {
    env?: object
    jobs?: Record<string, { env?: object; steps?: Described[] }>
    runs?: { steps: Described[] }
  }
  return [...Object.values(jobs), ...(runs ? [{ env: {}, ...runs }] : [])].flatMap((job) =>
    (job.steps ?? []).flatMap((step) =>
      step.run ? [{ title: path, run: step.run, gets: Object.keys({ ...env, ...job.env, ...step.env }) }] : [],
    ),
  )
})

const work = mkdtempSync(join(tmpdir(), 'offshoot-pipelines-'))
afterAll(() => rmSync(work, { recursive: true }))

interface Ran {
  status: number
  stderr: string
  directory: string
  outputs: string
  /** Of programs that were stood in for: the name, then the arguments. */
  calls: string[][]
}

/** Runs a step where a repository is, with `bash -eo pipefail` as GitHub does; and with `-u`. */
function run(step: Step, given: Record<string, string> = {}, answer = ''): Ran {
  const directory = mkdtempSync(join(work, 'run-'))
  const temporary = join(directory, '.git')
  execFileSync('git', ['init', '-q', '--initial-branch=main', directory])
  execFileSync('git', ['init', '-q', '--bare', join(temporary, 'origin')])
  execFileSync('git', ['-C', directory, 'remote', 'add', 'origin', join(temporary, 'origin')])
  const log = join(temporary, 'calls')
  const programs = join(temporary, 'programs')
  for (const folder of [programs, join(directory, '.ci')]) mkdirSync(folder)
  for (const name of Object.keys(standIns)) {
    const text = `#!/bin/sh\n{ printf '%s\\037' '${name}' "$@"; echo; } >>'${log}'\necho '${answer}'\n`
    writeFileSync(name.includes('/') ? join(directory, name) : join(programs, name), text, { mode: 0o755 })
  }
  for (const folder of ['digests', 'images'].filter((name) => step.run.includes(`${name}/*`))) {
    mkdirSync(join(directory, folder))
    for (const processor of ['amd64', 'arm64'])
      writeFileSync(join(directory, folder, processor), `sha256:${processor.slice(0, 3).repeat(21)}\n`)
  }
  writeFileSync(join(directory, 'package.json'), '{}\n')
  execFileSync('git', ['-C', directory, 'add', 'package.json'])
  const mine = Object.fromEntries(step.gets.map((name) => [name, settings[name] ?? `no sample of ${name}`]))
  const output = join(temporary, 'outputs')
  const { status, stderr } = spawnSync('bash', ['--noprofile', '--norc', '-euo', 'pipefail', '-c', step.run], {
    cwd: directory,
    env: {
      ...mine,
      ...runners,
      PATH: `${programs}${delimiter}${process.env.PATH}`,
      HOME: temporary,
      GITHUB_OUTPUT: output,
      GITHUB_WORKSPACE: directory,
      RUNNER_TEMP: temporary,
      ...given,
    },
    encoding: 'utf8',
  })
  const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  const calls = read(log)
    .split('\u001f\n')
    .filter(Boolean)
    .map((line) => line.split('\u001f'))
  return { status: status ?? -1, stderr, directory, outputs: read(output), calls }
}

/** The one step whose script has this. */
function the(part: string): Step {
  const found = steps.filter((step) => step.run.includes(part))
  expect(
    found.map(({ title }) => title),
    part,
  ).toHaveLength(1)
  return found[0]!
}

const rans = new Map(steps.map((step) => [step, run(step)]))

describe('every script of a pipeline', () => {
  it('is found', () => {
    expect(steps.map(({ run: text }) => text).sort()).toEqual(
      scriptsOf(readPipelines())
        .map(({ text }) => text)
        .sort(),
    )
  })

  it.each(steps)('runs: $title $run', (step) => {
    const { status, stderr } = rans.get(step)!
    expect(stderr).not.toMatch(/unbound variable|command not found|no sample/)
    expect(status, stderr).toBe(0)
  })

  it('gets what it uses, and uses what it gets', () => {
    const used = new Set(steps.flatMap(({ gets }) => gets))
    expect([...used].sort()).toEqual(Object.keys(settings).sort())
  })

  it('is stood in for only where it has to be', () => {
    const called = new Set([...rans.values()].flatMap(({ calls }) => calls.map(([program]) => program)))
    expect([...called].sort()).toEqual(Object.keys(standIns).sort())
  })

  it('uses actions of this repository that are there', () => {
    const own = readPipelines().flatMap(({ text }) => [...text.matchAll(/uses: \.\/(\S+)/g)].map(([, path]) => path!))
    expect(own.length).toBeGreaterThan(0)
    for (const path of own)
      expect(existsSync(join(root, path.endsWith('.yml') ? path : `${path}/action.yml`)), path).toBe(true)
  })
})

describe('every command of npm', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  /** The command and its options, without their values: `['test:topologies', '--affected', '--topology']`. */
  const told = (words: readonly string[]) => {
    const [command, ...rest] = words[0] === 'run' ? words.slice(1) : words
    return [command!, ...rest.filter((word) => /^--\w/.test(word)).map((word) => word.split('=')[0]!)]
  }
  const calls = [...rans.values()].flatMap(({ calls }) =>
    calls.filter(([program]) => program === 'npm').map(([, ...words]) => told(words)),
  )
  const ci = readFileSync(join(root, '.ci/run'), 'utf8')
  const here = [...ci.matchAll(/^(?:[A-Z_]+="[^"]*" )?npm (.*?)(?: \|\|.*)?$/gm)].map(([, words]) =>
    told(words!.split(/\s+/).map((word) => word.replaceAll('"', ''))),
  )

  it.each(calls)('exists, and is run with its options before a change lands: %s %s %s', (command, ...options) => {
    expect(scripts, 'package.json').toHaveProperty(command)
    if (ranByTests[command]) return
    const alike = here.filter(([one]) => one === command)
    expect(alike, `.ci/run does not run ${command}`).not.toEqual([])
    for (const option of options.filter(Boolean))
      expect(alike.flat(), `.ci/run does not run ${command} with`).toContain(option)
  })

  it('is excepted only if a pipeline runs it, and .ci/run does not', () => {
    for (const command of Object.keys(ranByTests)) {
      expect(calls.map(([one]) => one)).toContain(command)
      expect(here.map(([one]) => one)).not.toContain(command)
    }
  })
})

describe('a pipeline', () => {
  it.each(['failure', 'cancelled', 'success failure skipped'])(
    'has not passed with a job that ended in %s',
    (results) => {
      expect(run(the('$RESULTS'), { RESULTS: results }).status).toBe(1)
    },
  )

  it('names images in lower case', () => {
    expect(run(the('echo "name=ghcr.io')).outputs).toBe('name=ghcr.io/some-team/product-gateway\n')
  })

  it('keeps the digest of each processor', () => {
    const { directory } = run(the('digests/$PROCESSOR'))
    expect(readFileSync(join(directory, 'digests/arm64'), 'utf8')).toBe(`${settings.DIGEST}\n`)
  })

  it('joins the images of both processors, and hands on the digest of both', () => {
    const digest = `sha256:${'c'.repeat(64)}`
    const { calls, outputs, directory } = run(the('imagetools'), {}, digest)
    const name = 'ghcr.io/some-team/product-gateway'
    const parts = ['amd', 'arm'].map((processor) => `${name}@sha256:${processor.repeat(21)}`)
    expect(calls[0]).toEqual([
      'docker',
      'buildx',
      'imagetools',
      'create',
      '--tag',
      `${name}:${runners.GITHUB_SHA}`,
      ...parts,
    ])
    expect(outputs).toBe(`name=${name}\ndigest=${digest}\n`)
    expect(readFileSync(join(directory, 'images/product-gateway'), 'utf8')).toBe(`${name}@${digest}\n`)
  })

  it('verifies the signature of each image', () => {
    const { calls } = run(the('attestation verify'))
    expect(calls).toHaveLength(2)
    expect(calls[0]).toEqual([
      'gh',
      'attestation',
      'verify',
      `oci://sha256:${'amd'.repeat(21)}`,
      '--repo',
      runners.GITHUB_REPOSITORY,
    ])
  })

  it('deploys to environments that have manifests', () => {
    const deployed = readPipelines().flatMap(({ text }) =>
      [...text.matchAll(/^ +environment: (staging|production)$/gm)].map(([, name]) => name!),
    )
    expect(new Set(deployed)).toEqual(new Set(['staging', 'production']))
    for (const name of deployed)
      expect(existsSync(join(root, 'infra/kubernetes/overlays', name, 'kustomization.yaml')), name).toBe(true)
  })

  it('keeps the kubeconfig from others', () => {
    const file = join(run(the('$RUNNER_TEMP/kubeconfig')).directory, '.git/kubeconfig')
    expect(readFileSync(file, 'utf8')).toBe(settings.TEXT)
    expect(statSync(file).mode & 0o077).toBe(0)
  })

  it.each([
    ['no pull request', '', true],
    ['one that was closed', 'CLOSED', true],
    ['one that is open', 'OPEN', false],
  ])('pushes the next version where there is %s', (_, state, opens) => {
    const { directory, calls } = run(the('release/next'), {}, state)
    const pushed = execFileSync(
      'git',
      ['-C', join(directory, '.git/origin'), 'log', '-1', '--format=%s', 'release/next'],
      { encoding: 'utf8' },
    )
    expect(pushed).toBe('chore: version 1.2.3\n')
    expect(calls.some(([, what, how]) => what === 'pr' && how === 'create')).toBe(opens)
  })
})

describe('here are run', () => {
  // As if all that is here had just been committed, so that it does not matter what this clone is.
  const repository = join(work, 'repository')
  const env = { ...process.env, GIT_DIR: join(repository, '.git'), GIT_WORK_TREE: root, BASE_REF: 'main' }
  execFileSync('git', ['init', '-q', '--initial-branch=main', repository])
  execFileSync('git', ['add', '--all'], { cwd: root, env })
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-q', '-m', 'all'], {
    cwd: root,
    env,
  })
  const node = (file: string, args: string[] = [], more = {}) =>
    spawnSync(process.execPath, [join(root, 'scripts', file), ...args], {
      cwd: root,
      env: { ...env, ...more },
      encoding: 'utf8',
    })

  it('npm run plan, whose outputs are the lists that matrices are made of', () => {
    const GITHUB_OUTPUT = join(work, 'plan')
    const { stdout, stderr } = node('plan.ts', [], { GITHUB_OUTPUT })
    const plan = JSON.parse(stdout || stderr)
    const outputs = readFileSync(GITHUB_OUTPUT, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s).slice(0, 2))
    expect(Object.fromEntries(outputs.map(([name, list]) => [name, JSON.parse(list!)]))).toEqual(plan)
    const wanted = readPipelines().flatMap(({ text }) =>
      [...text.matchAll(/steps\.plan\.outputs\.(\w+)/g)].map(([, name]) => name!),
    )
    expect(wanted.filter((name) => !(name in plan) && !['next', 'untagged'].includes(name))).toEqual([])
  })

  it('npm run contracts, which writes the comment', () => {
    const file = join(work, 'contracts.md')
    const { status, stderr } = node('contracts.ts', [file])
    expect(status, stderr).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(
      '### Contracts\n\nThe public schema, calls, events and migrations are what they were.\n',
    )
  })

  it('npm run review, which writes the issue', () => {
    const file = join(work, 'review.md')
    const { status, stderr } = node('review.ts', ['--out', file])
    expect(status, stderr).toBe(0)
    expect(readFileSync(file, 'utf8')).toMatch(/^#/)
  })

  it('npm run bench, whose programs are those that it knows', () => {
    const { status, stderr } = node('../benchmarks/bench.ts', ['nowhere'])
    expect(status).toBe(1)
    const named = [...rans.values()].flatMap(({ calls }) => calls.filter(([, , command]) => command === 'bench'))
    expect(named.length).toBeGreaterThan(0)
    for (const [, , , program] of named) expect(stderr).toMatch(new RegExp(`^ {2}${program} `, 'm'))
  })

  it('npm run test:previous, where no migration is new', () => {
    const { status, stdout, stderr } = node('test-previous.ts')
    expect([status, stdout], stderr).toEqual([0, expect.stringMatching(/^Nothing to test/)])
  })

  it('npm run deploy, which says what it misses', () => {
    expect(node('deploy.ts').stderr).toBe('npm run deploy -- <environment> <folder of images>\n')
    const { status, stderr } = node('deploy.ts', ['nowhere', 'images'])
    expect([status, stderr]).toEqual([2, expect.stringMatching(/^There is no environment nowhere/)])
  })
})
