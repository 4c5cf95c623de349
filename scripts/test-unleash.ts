/** `npm run test:unleash [-- options of Vitest…]`: the flags against a real Unleash server on a real PostgreSQL. Leaves figures where `npm test` does. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './database.ts'
import { onInterrupt, run } from './run.ts'
import { figuresOf, forgetSummary, reportAt, writeSummary } from './test-report.ts'
import { testServer } from './test-server.ts'
import { installUnleash } from './unleash/server.ts'

const report = join(root, 'scripts/unleash/.reports/vitest.json')

rmSync(report, { force: true })
forgetSummary()
await installUnleash()
const server = await testServer()
onInterrupt(() => server.stop())
const longer = ['--testTimeout', '60000', '--hookTimeout', '120000']
const options = ['run', '--config', join(root, 'vitest.config.ts'), '--root', 'scripts/unleash', ...longer]
const { code } = await run('vitest', [...options, ...process.argv.slice(2)], {
  env: { TEST_DATABASE_URL: server.url },
}).finally(() => server.stop())
const written = reportAt(report)
if (!written) process.exit(code || 1)
const figures = figuresOf(written)
if (code !== 0) figures.failed ||= 1
writeSummary(figures)
const { passed, failed, skipped } = figures
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(code || Number(failed + skipped > 0))
