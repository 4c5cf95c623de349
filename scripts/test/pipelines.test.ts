/** The rules of pipelines: each is broken on purpose, and what is said about it is good enough to act on. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { licences } from '../check/dependencies.ts'
import { checkPipelines, checkScripts, readPipelines, scriptsOf, shellcheckIsInstalled } from '../check/workflows.ts'
import { root } from '../database.ts'

const path = '.github/workflows/planted.yml'
const commit = '3d3c42e5aac5ba805825da76410c181273ba90b1'

const sound = `name: sound
on:
  pull_request:
permissions: {}
concurrency:
  group: sound-\${{ github.ref }}
defaults:
  run:
    shell: bash
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read
      issues: write # says what it found
    steps:
      - uses: actions/checkout@${commit} # v7.0.1
        with:
          persist-credentials: false
      - run: echo "$TITLE"
        env:
          TITLE: \${{ github.event.pull_request.title }}
`

/** What is said of the sound workflow after one change, as `line: message`. */
async function said(...changes: [from: string, to: string][]): Promise<string[]> {
  const text = changes.reduce((changed, [from, to]) => {
    expect(changed).toContain(from)
    return changed.replace(from, () => to)
  }, sound)
  return (await checkPipelines([{ path, text }])).map(({ line, message }) => `${line}: ${message}`)
}

it('a sound workflow breaks no rule', async () => {
  expect(await said()).toEqual([])
})

it('the workflows and actions of this repository break none', async () => {
  expect(readPipelines().length).toBeGreaterThan(5)
  expect(await checkPipelines(readPipelines())).toEqual([])
})

describe('found is', () => {
  const checkout = `actions/checkout@${commit} # v7.0.1`

  it.each(['actions/checkout@v7', 'actions/checkout@main', 'actions/checkout@3d3c42e', 'docker://alpine:3'])(
    '%s',
    async (action) => {
      const [problem] = (await said([checkout, `${action} # v7.0.1`])).filter((one) => one.includes('namesWhatItRuns'))
      expect(problem).toMatch(
        /^18: .* may be another program tomorrow; name the commit of a version: owner\/action@<40 digits> # v1\.2\.3/,
      )
    },
  )

  it('a commit of which nobody knows the version', async () => {
    expect(await said([checkout, `actions/checkout@${commit}`])).toEqual([
      expect.stringMatching(/^18: .*nobody can tell which version that is; write it behind the commit/),
    ])
    expect(await said([checkout, `actions/checkout@${commit} # v7`])).toHaveLength(1)
  })

  it.each(['node', 'node:latest'])('a container of %s', async (image) => {
    expect(await said(['    timeout-minutes: 5\n', `    timeout-minutes: 5\n    container: ${image}\n`])).toEqual([
      expect.stringMatching(/^14: node.* may be another image tomorrow; name its version/),
    ])
  })

  it.each(['', 'permissions: write-all\n', 'permissions: read-all\n', 'permissions:\n  contents: write\n'])(
    'rights for all jobs: %j',
    async (permissions) => {
      expect(await said(['permissions: {}\n', permissions])).toEqual([
        expect.stringMatching(
          /every job would get this; write `permissions: \{\}` at the top, and what a job needs into the job/,
        ),
      ])
    },
  )

  it('a job that does not say what it may do', async () => {
    const permissions = '    permissions:\n      contents: read\n      issues: write # says what it found\n'
    expect(await said([permissions, ''])).toEqual([
      expect.stringMatching(/^12: the job test does not say what it may do; give it `permissions`/),
    ])
    expect(await said([permissions, '    permissions: write-all\n'])).toHaveLength(1)
  })

  it('a right without a reason', async () => {
    expect(await said([' # says what it found', ''])).toEqual([
      expect.stringMatching(/^16: the job test may `issues: write`, and nobody knows why; write the reason behind it/),
    ])
  })

  it('a job that may hang', async () => {
    expect(await said(['    timeout-minutes: 5\n', ''])).toEqual([
      expect.stringMatching(/^12: the job test may hang for six hours; give it `timeout-minutes`/),
    ])
  })

  it('runs that overtake each other', async () => {
    expect(await said(['concurrency:\n  group: sound-${{ github.ref }}\n', ''])).toEqual([
      expect.stringMatching(/runs of this may overtake each other; give it `concurrency` with a `group`/),
    ])
  })

  it('a shell that goes on after a failure', async () => {
    expect(await said(['defaults:\n  run:\n    shell: bash\n', ''])).toEqual([
      expect.stringMatching(/without `defaults: run: shell: bash`/),
    ])
  })

  it('a token that is left behind', async () => {
    const message = expect.stringMatching(
      /^18: leaves its token in .git\/config.*write `persist-credentials: false` below `with`/,
    )
    expect(await said(['        with:\n          persist-credentials: false\n', ''])).toEqual([message])
    expect(await said(['persist-credentials: false', 'persist-credentials: true'])).toEqual([message])
  })

  it.each(['github.event.pull_request.title', 'github.head_ref', 'inputs.name', 'matrix.domain'])(
    '%s within a script',
    async (value) => {
      const problems = await said(['echo "$TITLE"', `echo "\${{ ${value} }}"`])
      expect(problems).toContainEqual(
        expect.stringMatching(
          /^21: \$\{\{ .* \}\} becomes a part of the script, whatever somebody wrote there; pass it by `env` and write "\$NAME"/,
        ),
      )
    },
  )

  it('an expression within a script over several lines', async () => {
    expect(
      await said(['echo "$TITLE"', '|\n          echo 1\n          echo "${{\n            github.sha }}"']),
    ).toHaveLength(1)
  })

  it.each(['pull_request_target', 'workflow_run'])('%s', async (event) => {
    const rest = event === 'workflow_run' ? '\n    workflows: [ci]' : ''
    expect(await said(['  pull_request:', `  ${event}:${rest}`])).toContainEqual(
      expect.stringMatching(/runs with the rights of the main branch on what others sent; use pull_request/),
    )
  })

  it.each([
    ['a right to write', '      issues: write', '      packages: write'],
    ['an environment', '    timeout-minutes: 5', '    environment: production\n    timeout-minutes: 5'],
  ])('a cache beside %s', async (_, from, to) => {
    for (const cache of [`actions/cache@${commit} # v5.0.5`, './.github/actions/prepare'])
      expect(await said([from, to], [checkout, cache])).toContainEqual(
        expect.stringMatching(
          /the job test has rights \(.*\) and would run what other runs left in a cache; leave the cache out/,
        ),
      )
  })

  it.each([
    [
      'a job that is needed and does not exist',
      '    runs-on:',
      '    needs: nobody\n    runs-on:',
      /needs job "nobody" which does not exist/,
    ],
    ['a key that does not exist', '    timeout-minutes: 5', '    timeout-minute: 5', /unexpected key "timeout-minute"/],
    ['a runner that does not exist', 'ubuntu-24.04', 'ubuntu-24.4', /label "ubuntu-24.4" is unknown/],
    [
      'an output that no step has',
      'github.event.pull_request.title',
      'steps.no.outputs.title',
      /property "no" is not defined/,
    ],
    ['what is not YAML', 'jobs:', 'jobs: [', /could not parse as YAML/],
  ])('%s', async (_, from, to, message) => {
    expect(await said([from, to])).toContainEqual(expect.stringMatching(message))
  })

  it('what holds of a workflow in an action, too', async () => {
    const text =
      'name: a\nruns:\n  using: composite\n  steps:\n    - uses: actions/cache@v5\n    - run: echo ${{ inputs.a }}\n      shell: bash\n'
    const problems = await checkPipelines([{ path: '.github/actions/a/action.yml', text }])
    expect(problems.map(({ line, message }) => `${line}: ${message}`)).toEqual([
      expect.stringMatching(/^5: .*another program tomorrow/),
      expect.stringMatching(/^6: .*becomes a part of the script/),
    ])
  })
})

if (!shellcheckIsInstalled())
  console.warn('Skipped: what ShellCheck finds. Debian’s package shellcheck is not installed.')

it.skipIf(!shellcheckIsInstalled())('ShellCheck finds what a script forgets', () => {
  const text = sound.replace('echo "$TITLE"', '|\n          cd "$TITLE"\n          rm -rf $TITLE/*')
  expect(checkScripts(scriptsOf([{ path, text }]))).toEqual([
    { file: path, line: 21, message: expect.stringMatching(/^line 1 of the script: Use 'cd .*SC2164/) },
    { file: path, line: 21, message: expect.stringMatching(/^line 2 of the script: .*SC2115/) },
    { file: path, line: 21, message: expect.stringMatching(/^line 2 of the script: Double quote.*SC2086/) },
  ])
})

const yaml = (file: string) => parse(readFileSync(join(root, file), 'utf8'))

it('a pull request may bring the licences and exceptions that the check knows, and no others', async () => {
  const review = yaml('.github/workflows/security.yml').jobs.dependencies.steps.find(({ uses }: { uses: string }) =>
    uses.includes('dependency-review'),
  ).with
  const allowed: string[] = review['allow-licenses'].split(', ')
  expect(allowed.length).toBeGreaterThan(5)
  for (const licence of allowed)
    expect(await licences(async () => ({ [licence]: [{ name: 'a', versions: ['1'] }] }))).toEqual([])
  const exceptions: string[] = review['allow-dependencies-licenses']
    .split(/, */)
    .map((purl: string) => purl.replace('pkg:npm/', ''))
  const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
  for (const name of exceptions) {
    expect(lockfile, name).toContain(`\n  ${name}@`)
    expect(await licences(async () => ({ Unknown: [{ name, versions: ['1'] }] }))).toEqual([])
  }
})

describe('Dependabot', () => {
  const { updates } = yaml('.github/dependabot.yml') as {
    updates: {
      'package-ecosystem': string
      directories: string[]
      cooldown: { 'default-days': number }
      groups: object
    }[]
  }
  const manifests: Record<string, string> = {
    npm: 'package.json',
    'github-actions': '{.github/workflows/*.yml,action.yml}',
    docker: 'Dockerfile',
  }

  it.each(updates.map((update) => [update['package-ecosystem'], update] as const))(
    'waits a week for %s, groups it, and looks where it is',
    (ecosystem, update) => {
      expect(update.cooldown['default-days']).toBeGreaterThanOrEqual(7)
      expect(Object.keys(update.groups).length).toBeGreaterThan(0)
      for (const directory of update.directories)
        expect(globSync(join(directory.slice(1), manifests[ecosystem]!), { cwd: root }), directory).not.toEqual([])
    },
  )
})

describe('a form for issues', () => {
  it.each(globSync('.github/ISSUE_TEMPLATE/*.yml', { cwd: root }).filter((file) => !file.endsWith('config.yml')))(
    'has what GitHub asks of %s',
    (file) => {
      const { name, description, body } = yaml(file)
      expect([name, description].every((text) => typeof text === 'string' && text.length > 3)).toBe(true)
      const ids = body.map(({ id }: { id: string }) => id)
      expect(new Set(ids).size).toBe(ids.length)
      for (const { type, attributes } of body) {
        expect(['textarea', 'input', 'dropdown', 'checkboxes']).toContain(type)
        expect(attributes.label).toBeTruthy()
      }
    },
  )
})
