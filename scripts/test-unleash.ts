/** `npm run test:unleash [-- options of Vitest…]`: the flags against a real Unleash server on a real PostgreSQL. Leaves figures where `npm test` does. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './database.ts'
import { onInterrupt, run } from './run.ts'
import { testServer } from './test-server.ts'
import { installUnleash } from './unleash/server.ts'

const report = join(root, 'scripts/unleash/.reports/vitest.json')
const summary = join(root, '.reports/tests.json')

for (const file of [report, summary]) rmSync(file, { force: true })
await installUnleash()
const server = await testServer()
onInterrupt(() => server.stop())
const longer = ['--testTimeout', '60000', '--hookTimeout', '120000']
const options = ['run', '--config', join(root, 'vitest.config.ts'), '--root', 'scripts/unleash', ...longer]
const { code } = await run('vitest', [...options, ...process.argv.slice(2)], {
  env: { TEST_DATABASE_URL: server.url },
}).finally(() => server.stop())
if (!existsSync(report)) process.exit(code || 1)
const { numPassedTests: passed, numFailedTests, numPendingTests: skipped } = JSON.parse(readFileSync(report, 'utf8'))
const failed = numFailedTests || Number(code !== 0)
mkdirSync(join(root, '.reports'), { recursive: true })
writeFileSync(summary, JSON.stringify({ passed, failed, skipped }))
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(code || Number(failed + skipped > 0))
