/**
 * `npm test -- [package…] [options of Vitest…]`: the tests of all packages, or of those that are named, on one PostgreSQL. What did
 * not change since it last passed is not run again; `--force` runs it all the same. `npm run test:faults` (`--faults`): what takes minutes, since processes,
 * brokers and databases are killed in it. `npm run test:topologies` (`--topologies`): what the gateway and the domains promise, once more with domains apart.
 */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { root } from './database.ts'
import { onInterrupt, run } from './run.ts'
import { testServer } from './test-server.ts'

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  numFailedTestSuites: number
  testResults: { name: string; status: string; assertionResults: { status: string; fullName: string }[] }[]
}

/** The figures of the last run, for programs. */
const SUMMARY = join(root, '.reports/tests.json')
const REPORT = '.reports/vitest.json'

/** How domains run in `npm run test:topologies`, in the words of `TEST_TOPOLOGY`. `npm test` runs them together. */
const topologies = ['orders', 'all', 'all+databases']
/** Whose tests know nothing of who runs where. */
const anywhere = globSync('{apps/gateway,packages/domains/*}/package.json', { cwd: root }).map(dirname)

const packages = globSync('{apps/*,packages/*/*,benchmarks,scripts}/package.json', { cwd: root }).map(dirname)

const flags = ['--force', '--faults', '--topologies']

async function main(args: string[]): Promise<number> {
  const [force, faults, apart] = flags.map((flag) => args.includes(flag))
  const rest = args.filter((argument) => !flags.includes(argument))
  const chosen: string[] = []
  while (rest[0] && packages.some((directory) => basename(directory) === rest[0])) chosen.push(rest.shift()!)
  rmSync(SUMMARY, { force: true })

  const all = apart ? anywhere : packages
  const tested = chosen.length > 0 ? all.filter((directory) => chosen.includes(basename(directory))) : all
  const filters = all === tested && !apart ? [] : tested.map((directory) => `--filter=./${directory}`)
  const task = faults ? ['test:faults', '--concurrency=1'] : ['test', '--concurrency=3'] // faults measure how long things take
  const turbo = ['run', ...task, '--continue', '--output-logs=new-only', ...filters]

  const started = Date.now()
  const server = await testServer()
  onInterrupt(() => server.stop())
  const runs: Run[] = []
  try {
    for (const topology of apart ? topologies : [undefined]) {
      for (const directory of packages) rmSync(join(root, directory, REPORT), { force: true })
      const env = {
        TEST_DATABASE_URL: server.url,
        ...(faults && { FAULTS: '1' }),
        ...(topology && { TEST_TOPOLOGY: topology }),
      }
      const { code } = await run('turbo', [...turbo, ...(force ? ['--force'] : []), '--', ...rest], { env })
      runs.push({ topology, code, reports: tested.map((directory) => ({ directory, report: reportOf(directory) })) })
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

function reportOf(directory: string): Report | undefined {
  const path = join(root, directory, REPORT)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** One line per package, the names of what failed, and the sum as the last line. */
function summarize(runs: Run[], milliseconds: number): number {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const { topology, reports } of runs) {
    console.log(topology ? `\n${topology}` : '')
    for (const { directory, report } of reports) {
      if (!report) continue
      const { passed, failed, skipped } = show(directory, report)
      sum.passed += passed
      sum.failed += failed
      sum.skipped += skipped
    }
  }
  mkdirSync(dirname(SUMMARY), { recursive: true })
  writeFileSync(SUMMARY, JSON.stringify(sum))
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''
  console.log(`\nIn ${(milliseconds / 1000).toFixed(1)} s:\n${sum.passed} passed, ${sum.failed} failed${skipped}`)
  return runs.find(({ code }) => code !== 0)?.code ?? Number(sum.failed > 0)
}

function show(directory: string, report: Report) {
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  )
  const passed = report.numPassedTests
  const failed = report.numFailedTests + broken.length
  const skipped = report.numPendingTests + report.numTodoTests
  const figures = [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`]
  console.log(`${directory.padEnd(28)}${figures.filter(Boolean).join(', ')}`)
  for (const { name } of broken) console.log(`  ✗ ${name.slice(root.length + 1)}: could not be run`)
  for (const { name, assertionResults } of report.testResults) {
    for (const test of assertionResults) {
      if (test.status === 'failed') console.log(`  ✗ ${name.slice(root.length + 1)}: ${test.fullName}`)
    }
  }
  return { passed, failed, skipped }
}

process.exit(await main(process.argv.slice(2)))
