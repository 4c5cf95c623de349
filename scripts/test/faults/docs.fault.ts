// #region with catalog, orders, billing, notifications, insights
/** The commands of pages, run in a clone as they stand there, page by page. Programs that would run on, or need a cluster, are stood in for. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pagesOf } from '../../check/docs.ts'
import { root } from '../../database.ts'
import { installedClone } from '../clone.ts'
import { sh } from '../shell.ts'

/** Pages whose commands other tests run, and which. */
const elsewhere: Readonly<Record<string, string>> = {
  'README.md': 'readme.test.ts, start.fault.ts and images.fault.ts',
  'docs/guides/moving-data.md': 'move.fault.ts, on two servers',
  'docs/guides/upgrade.md': 'upgrade.life.ts, with a next version to upgrade to',
}

/** Programs that are not run, and why. */
const standIns: Readonly<Record<string, string>> = {
  curl: 'asks a product that runs',
  docker: 'needs its daemon',
  pg_dump: 'needs a server of one’s own',
  pg_dumpall: 'needs a server of one’s own',
  prometheus: 'runs on',
}
/** What npm and kubectl are not asked for here: `.ci/run` runs the first, the others run on or need a cluster. */
const skipped = {
  npm: ['test*', 'run check', 'start', 'run dev'],
  kubectl: ['apply*', 'delete*', 'wait*', 'get*', 'rollout*'],
}

const directory = mkdtempSync(join(tmpdir(), 'offshoot-docs-'))
const programs = join(directory, 'programs')
const path = [programs, dirname(process.execPath), process.env.PATH].join(delimiter)
let clone: string

beforeAll(async () => {
  clone = await installedClone(directory)
  await sh(clone, 'git tag start')
  mkdirSync(programs)
  const program = (name: string, text: string) =>
    writeFileSync(join(programs, name), `#!/bin/sh\n${text}`, { mode: 0o755 })
  for (const name of Object.keys(standIns)) program(name, 'exit 0\n')
  for (const [name, words] of Object.entries(skipped)) {
    const real = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
    const patterns = words.map((word) => word.replace(/[^*]+/, (text) => `'${text}'`)).join('|')
    program(name, `case "$*" in ${patterns}) exit 0;; esac\nexec '${real}' "$@"\n`)
  }
}, 120_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Blocks of commands, but for those in which something is left to fill in. */
const blocksOf = (text: string) =>
  [...text.matchAll(/^```sh\n(.*?)^```/gms)]
    .map(({ 1: script = '', index }) => ({ script, line: text.slice(0, index).split('\n').length + 1 }))
    .filter(({ script }) => !/…|<\w+>|example\b/.test(script))

/** What went wrong, with the line of the page. */
function follow(page: string, text: string): string | undefined {
  const { FAULTS: _, NODE_ENV: __, TEST_DATABASE_URL: ___, ...env } = process.env
  for (const { script, line } of blocksOf(text)) {
    const { status, stdout, stderr } = spawnSync('bash', ['--noprofile', '--norc', '-exuo', 'pipefail', '-c', script], {
      cwd: clone,
      env: { ...env, PATH: path },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 26,
    })
    if (status !== 0)
      return `${page}:${line}: a command of this block fails (exit code ${status}); put the page right, or the command.\n${stdout}${stderr}`
  }
}

const read = (page: string) => readFileSync(join(root, page), 'utf8')
const pages = pagesOf(root).filter((page) => read(page).includes('\n```sh\n'))

describe('the commands of a page', () => {
  it.each(pages.filter((page) => !(page in elsewhere)))(
    'do as it says: %s',
    async (page) => {
      expect(follow(page, read(page))).toBeUndefined()
      await sh(clone, 'git reset -q --hard start && git clean -fdq && node scripts/setup.mjs')
    },
    400_000,
  )

  it('are found when one fails', () => {
    expect(
      follow('docs/planted.md', '# A\n\n```sh\ngit status\nnpm run gen domain -- --soy\necho no further\n```\n'),
    ).toMatch(
      /^docs\/planted\.md:4: a command of this block fails \(exit code [1-9]\); put the page right, or the command\.\n/,
    )
  })

  it('are left to others only where there are some', () => {
    expect(pages).toEqual(expect.arrayContaining(Object.keys(elsewhere)))
  })
})
