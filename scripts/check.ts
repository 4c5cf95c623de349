/** `npm run check [-- --write]`: everything about the project that a program can judge without its tests. */
import { checkCatalog, migrate } from '@offshoot/data/migrate'
import { emptyDatabase } from '@offshoot/data/testing'
import { flagRegistry } from '@offshoot/flags/runtime'
import { domains } from '@offshoot/gateway/domains'
import { lockfilesWithoutUrls, oneVersion } from './check/dependencies.ts'
import { checkFlags } from './check/flags.ts'
import { environmentExample, eventsPage, permissionTables, publicSchema } from './check/generated.ts'
import { checkImports } from './check/imports.ts'
import { checkTelemetry } from './check/telemetry.ts'
import { type Problem, readPackages, readSources } from './check/workspace.ts'
import { onInterrupt, run } from './run.ts'
import { testServer } from './test-server.ts'

interface Result {
  /** What was looked at, in figures. */
  figures: string
  problems: readonly Problem[]
  /** What a tool printed about them. */
  output?: string
}

const write = process.argv.includes('--write')
const packages = readPackages()
const sources = readSources()
const lines = sources.reduce((sum, { text }) => sum + text.split('\n').length, 0)

const checks: Record<string, () => Result | Promise<Result>> = {
  types: () =>
    tool(
      'turbo',
      ['run', 'typecheck', '--continue', '--output-logs=errors-only', '--log-prefix=none'],
      `${packages.length - 1} packages`,
    ),
  lint: () =>
    tool(
      'biome',
      ['check', '--diagnostic-level=error', '--max-diagnostics=50', ...(write ? ['--write'] : []), '.'],
      `${sources.length} files, ${lines} lines`,
    ),
  imports: () => ({ figures: `${sources.length} files`, problems: checkImports(packages, sources) }),
  'one version': () => ({ figures: `${packages.length} packages`, problems: oneVersion(packages) }),
  lockfiles: () => ({ figures: 'no address', problems: lockfilesWithoutUrls() }),
  '.env.example': () => ({ figures: 'as the settings say', problems: environmentExample(write) }),
  'schema.graphql': () => ({ figures: 'as the code says', problems: publicSchema(write) }),
  events: () => ({ figures: 'emitted, handled and listed', problems: eventsPage(write) }),
  telemetry: () => ({ figures: 'documented, drawn and watched', problems: checkTelemetry(write) }),
  permissions: () => ({ figures: `${domains.length} domains' tables`, problems: permissionTables(write) }),
  flags: () => {
    const registry = flagRegistry(domains)
    return { figures: `${registry.size} declared`, problems: checkFlags(registry, sources) }
  },
  catalog: catalogCheck,
}

async function tool(command: string, args: string[], figures: string): Promise<Result> {
  const { code, output } = await run(command, args, { quiet: true })
  return {
    figures,
    problems: code === 0 ? [] : [{ file: command, message: `found problems (exit code ${code})` }],
    output,
  }
}

/** On a database that is made for it, so that what is checked is what the migrations make. */
async function catalogCheck(): Promise<Result> {
  const server = await testServer()
  onInterrupt(() => server.stop())
  try {
    process.env.TEST_DATABASE_URL = server.url
    const { adminUrl, drop } = await emptyDatabase()
    const schemas = domains.map(({ data }) => data)
    await migrate({ adminUrl, domains: schemas, appSecret: 'a secret of a database that is thrown away' })
    const violations = await checkCatalog(adminUrl, schemas)
    await drop()
    return {
      figures: `${schemas.length} domains' tables, policies, keys and rights in a running database`,
      problems: violations.map(({ domain, rule, message }) => ({
        file: `packages/domains/${domain}/prisma/migrations`,
        message: `${message} [${rule}]`,
      })),
    }
  } finally {
    await server.stop()
  }
}

async function main(): Promise<number> {
  let failed = 0
  for (const [name, check] of Object.entries(checks)) {
    const started = performance.now()
    const { figures, problems, output } = await check()
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.log(`${problems.length === 0 ? '✓' : '✗'} ${name.padEnd(16)}${figures}, ${seconds} s`)
    if (problems.length === 0) continue
    failed++
    if (output) console.log(output.trimEnd().replaceAll(/^/gm, '    '))
    for (const { file, line, message } of problems) console.log(`    ${line ? `${file}:${line}` : file}  ${message}`)
  }
  const count = Object.keys(checks).length
  console.log(failed === 0 ? `\nAll ${count} checks hold.` : `\n${failed} of ${count} checks failed.`)
  return failed === 0 ? 0 : 1
}

process.exit(await main())
