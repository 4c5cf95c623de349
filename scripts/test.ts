/**
 * `npm test -- [package…] [options of Vitest…]`: the tests of all packages, or of those that are named, on one PostgreSQL. What did
 * not change since it last passed is not run again; `--force` runs it all the same. `npm run test:faults` (`--faults`): what takes minutes, since processes,
 * brokers and databases are killed in it.
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

const packages = globSync('{apps/*,packages/*/*,benchmarks,scripts}/package.json', { cwd: root }).map(dirname)

async function main(args: string[]): Promise<number> {
  const force = args.includes('--force')
  const faults = args.includes('--faults')
  const rest = args.filter((argument) => argument !== '--force' && argument !== '--faults')
  const chosen: string[] = []
  while (rest[0] && packages.some((directory) => basename(directory) === rest[0])) chosen.push(rest.shift()!)
  rmSync(SUMMARY, { force: true })
  for (const directory of packages) rmSync(join(root, directory, REPORT), { force: true })

  const started = Date.now()
  const server = await testServer()
  onInterrupt(() => server.stop())
  const filters = chosen.map((name) => `--filter=@offshoot/${name}`)
  const task = faults ? ['test:faults', '--concurrency=1'] : ['test', '--concurrency=3'] // faults measure how long things take
  const turbo = ['run', ...task, '--continue', '--output-logs=new-only', ...filters]
  const { code } = await run('turbo', [...turbo, ...(force ? ['--force'] : []), '--', ...rest], {
    env: { TEST_DATABASE_URL: server.url, ...(faults && { FAULTS: '1' }) },
  }).finally(() => server.stop())

  const tested = chosen.length > 0 ? packages.filter((directory) => chosen.includes(basename(directory))) : packages
  return summarize(tested, code, Date.now() - started)
}

/** One line per package, the names of what failed, and the sum as the last line. */
function summarize(tested: string[], code: number, milliseconds: number): number {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  console.log('')
  for (const directory of tested) {
    const path = join(root, directory, REPORT)
    if (!existsSync(path)) continue
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report
    const broken = report.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
    )
    const failed = report.numFailedTests + broken.length
    const skipped = report.numPendingTests + report.numTodoTests
    sum.passed += report.numPassedTests
    sum.failed += failed
    sum.skipped += skipped
    const figures = [`${report.numPassedTests} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`]
    console.log(`${directory.padEnd(28)}${figures.filter(Boolean).join(', ')}`)
    for (const { name } of broken) console.log(`  ✗ ${name.slice(root.length + 1)}: could not be run`)
    for (const { name, assertionResults } of report.testResults) {
      for (const test of assertionResults) {
        if (test.status === 'failed') console.log(`  ✗ ${name.slice(root.length + 1)}: ${test.fullName}`)
      }
    }
  }
  mkdirSync(dirname(SUMMARY), { recursive: true })
  writeFileSync(SUMMARY, JSON.stringify(sum))
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''
  console.log(`\nIn ${(milliseconds / 1000).toFixed(1)} s:\n${sum.passed} passed, ${sum.failed} failed${skipped}`)
  return code || Number(sum.failed > 0)
}

process.exit(await main(process.argv.slice(2)))
