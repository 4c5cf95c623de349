/**
 * `npm test -- [package…] [options of Vitest…]`: the tests of all packages, or of those that are named, on one PostgreSQL. What did
 * not change since it last passed is not run again; `--force` runs it all the same. `--affected`: those of packages alone that differ from the base branch, or depend on one that does.
 * `npm run test:faults` (`--faults`): what takes minutes, since processes, brokers and databases are killed in it. `npm run test:life` (`--life`): what happens to clones of the
 * template. `npm run test:topologies` (`--topologies`): what the gateway and the domains promise, once more with domains apart; `--topology=…` says how, in the words of `TEST_TOPOLOGY`.
 */
import { appendFileSync, globSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { affectedPackages } from './affected.ts'
import { orEnd } from './check/base.ts'
import { root } from './database.ts'
import { NODE_COMPILE_CACHE, onInterrupt, run } from './run.ts'
import { type Figures, figuresOf, forgetSummary, type Report, reportAt, writeSummary } from './test-report.ts'
import { testServer } from './test-server.ts'

const REPORT = '.reports/vitest.json'

/** How domains run in `npm run test:topologies`, in the words of `TEST_TOPOLOGY`. `npm test` runs them together. */
const topologies = [
  // #region with orders
  'orders',
  // #endregion
  'all',
  'all+databases',
]
/** Whose tests know nothing of who runs where. */
const anywhere = globSync('{apps/gateway,packages/domains/*}/package.json', { cwd: root }).map(dirname)

const packages = globSync('{apps/*,packages/*/*,benchmarks,scripts}/package.json', { cwd: root }).map(dirname)

const flags = ['--force', '--faults', '--topologies', '--life', '--affected']

async function main(args: string[]): Promise<number> {
  const [force, faults, apart, life, affected] = flags.map((flag) => args.includes(flag))
  const asked = args.flatMap((argument) => /^--topology=(.+)/.exec(argument)?.[1] ?? [])
  const rest = args.filter((argument) => !flags.includes(argument) && !argument.startsWith('--topology='))
  const chosen: string[] = []
  while (rest[0] && packages.some((directory) => basename(directory) === rest[0])) chosen.push(rest.shift()!)
  forgetSummary()

  const all = apart ? anywhere : packages
  const changed = affected ? orEnd(() => affectedPackages(root)) : packages
  const tested = all.filter(
    (directory) => changed.includes(directory) && (chosen.length === 0 || chosen.includes(basename(directory))),
  )
  if (tested.length === 0) {
    console.log('No package that has tests is affected.\n0 passed, 0 failed')
    return 0
  }
  const filters = tested.length === packages.length ? [] : tested.map((directory) => `--filter=./${directory}`)
  const alone = (faults && 'test:faults') || (life && 'test:life') // faults measure how long things take
  // Each package has all processors: with more than two at a time the whole takes longer (measured).
  const task = alone ? [alone, '--concurrency=1'] : ['test', '--concurrency=2']
  const turbo = ['run', ...task, '--continue', '--output-logs=new-only', ...filters]

  const started = Date.now()
  const server = await testServer()
  onInterrupt(() => server.stop())
  const runs: Run[] = []
  try {
    for (const topology of apart ? (asked.length > 0 ? asked : topologies) : [undefined]) {
      for (const directory of packages) rmSync(join(root, directory, REPORT), { force: true })
      const env = {
        TEST_DATABASE_URL: server.url,
        NODE_COMPILE_CACHE, // each package's tests are a process, and load what the others do
        ...(faults && { FAULTS: '1' }),
        ...(topology && { TEST_TOPOLOGY: topology }),
      }
      const { code } = await run('turbo', [...turbo, ...(force ? ['--force'] : []), '--', ...rest], { env })
      runs.push({
        topology,
        code,
        reports: tested.map((directory) => ({ directory, report: reportAt(join(root, directory, REPORT)) })),
      })
    }
  } finally {
    await server.stop()
  }
  return summarize(runs, Date.now() - started)
}

interface Run {
  topology: string | undefined
  code: number
  reports: { directory: string; report: Report | undefined }[]
}

/** One line per package, the names of what failed, and the sum as the last line. */
function summarize(runs: Run[], milliseconds: number): number {
  const sum: Figures = { passed: 0, failed: 0, skipped: 0, broken: [] }
  for (const { topology, reports } of runs) {
    console.log(topology ? `\n${topology}` : '')
    for (const { directory, report } of reports) {
      if (!report) continue
      const { passed, failed, skipped, broken } = show(directory, report)
      sum.passed += passed
      sum.failed += failed
      sum.skipped += skipped
      sum.broken.push(...broken.map((name) => (topology ? `${topology}: ${name}` : name)))
    }
  }
  writeSummary(sum)
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''
  if (process.env.GITHUB_STEP_SUMMARY) appendFileSync(process.env.GITHUB_STEP_SUMMARY, reportPage(runs))
  console.log(`\nIn ${(milliseconds / 1000).toFixed(1)} s:\n${sum.passed} passed, ${sum.failed} failed${skipped}`)
  return runs.find(({ code }) => code !== 0)?.code ?? Number(sum.failed > 0)
}

function show(directory: string, report: Report) {
  const { passed, failed, skipped, broken } = figuresOf(report)
  const figures = [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`]
  console.log(`${directory.padEnd(32)}${figures.filter(Boolean).join(', ')}`)
  for (const name of broken) console.log(`  ✗ ${name}`)
  return { passed, failed, skipped, broken }
}

/** The same for people who read it at GitHub: a table, and what failed. */
function reportPage(runs: readonly Run[]): string {
  const rows = runs.flatMap(({ topology, reports }) =>
    reports.flatMap(({ directory, report }) => (report ? [{ topology, directory, ...figuresOf(report) }] : [])),
  )
  const broken = rows.flatMap((row) =>
    row.broken.map((name) => `- ${row.topology ? `${row.topology}: ` : ''}${name}\n`),
  )
  const lines = rows.map(
    ({ topology = '', directory, passed, failed, skipped }) =>
      `| ${failed > 0 ? '✗' : '✓'} ${directory} | ${topology} | ${passed} | ${failed} | ${skipped} |\n`,
  )
  return `| package | apart | passed | failed | skipped |\n|---|---|---:|---:|---:|\n${lines.join('')}\n${broken.join('')}\n`
}

process.exit(await main(process.argv.slice(2)))
