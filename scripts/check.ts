/**
 * `npm run check [-- --write] [-- --force] [check…]`: everything about the project that a program can judge without its tests, or the checks that are named. A tree that has passed is not
 * judged again, unless with `--force`.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { checkCatalog, migrate } from '@offshoot/data/migrate'
import { emptyDatabase } from '@offshoot/data/testing'
import { depotDomain } from '@offshoot/depot'
import { flagRegistry } from '@offshoot/flags/runtime'
import { domains } from '@offshoot/gateway/domains'
import { gateway, readTopology } from '@offshoot/host/topology'
import { baseOf, NoBase } from './check/base.ts'
import { budgetProblems, costOf } from './check/budgets.ts'
import { checkCompatibility } from './check/compatibility.ts'
import { checkCycles } from './check/cycles.ts'
import { knownGood, licences, lockfilesWithoutUrls, oneVersion } from './check/dependencies.ts'
import { checkDocs, pagesOf } from './check/docs.ts'
import { checkFlags } from './check/flags.ts'
import {
  contractFiles,
  environmentExample,
  eventsPage,
  modulesDiagram,
  permissionTables,
  publicSchema,
} from './check/generated.ts'
import { checkImports } from './check/imports.ts'
import { checkCompose, checkKubernetes, checkTerraform, deployedApps } from './check/infrastructure.ts'
import { checkMigrations } from './check/migrations.ts'
import { checkTelemetry } from './check/telemetry.ts'
import { checkUnused } from './check/unused.ts'
import {
  checkPipelines,
  checkScripts,
  readPipelines,
  readShellScripts,
  scriptsOf,
  shellcheckIsInstalled,
} from './check/workflows.ts'
import { type Problem, readPackages, readSources } from './check/workspace.ts'
import { root } from './database.ts'
import { git, gitAnswer } from './git.ts'
import { whyNotRendered } from './infrastructure/manifests.ts'
import { whyNotValidated } from './infrastructure/terraform.ts'
import { onInterrupt, run } from './run.ts'
import { testServer } from './test-server.ts'

interface Result {
  /** Why nothing could be looked at. */
  absent?: string
  /** Whether it may be absent in CI, too. */
  optional?: boolean
  /** What was looked at, in figures. */
  figures: string
  problems: readonly Problem[]
  /** What a tool printed about them. */
  output?: string
}

/** Those of the product, and the one that new ones are made from. */
const written = [...domains, depotDomain]

const args = process.argv.slice(2)
const write = args.includes('--write')
const chosen = args.filter((argument) => !argument.startsWith('--'))
const packages = readPackages()
const sources = readSources()
const pipelines = readPipelines()
const lines = sources.reduce((sum, { text }) => sum + text.split('\n').length, 0)

const checks: Record<string, () => Result | Promise<Result>> = {
  // All at once: packages import each other's sources, and would check them again and again.
  types: () => tool('tsc', ['--pretty', 'false'], `${packages.length - 1} packages`),
  lint: () =>
    tool(
      'biome',
      ['check', '--diagnostic-level=error', '--max-diagnostics=50', ...(write ? ['--write'] : []), '.'],
      `${sources.length} files, ${lines} lines`,
    ),
  imports: () => ({ figures: `${sources.length} files`, problems: checkImports(packages, sources) }),
  cycles: () => ({ figures: 'none', problems: checkCycles(packages, sources) }),
  'one version': () => ({ figures: `${packages.length} packages`, problems: oneVersion(packages) }),
  'known good': () => ({ figures: 'no version that is known to be bad', problems: knownGood() }),
  licences: async () => ({ figures: 'permissive', problems: await licences() }),
  unused: async () => ({ figures: 'no file, export or dependency', problems: await checkUnused() }),
  lockfiles: () => ({ figures: 'no address', problems: lockfilesWithoutUrls() }),
  '.env.example': () => ({ figures: 'as the settings say', problems: environmentExample(write) }),
  'schema.graphql': () => ({ figures: 'as the code says', problems: publicSchema(write) }),
  'contract.json': () => ({ figures: 'as the code says', problems: contractFiles(write) }),
  compatible: () => sinceBase('as what is committed', (base) => checkCompatibility(root, base)),
  migrations: () => sinceBase('new ones lock nobody out', (base) => checkMigrations(base)),
  docs: () => ({ figures: `${pagesOf(root).length} pages`, problems: checkDocs(root) }),
  events: () => ({ figures: 'emitted, handled and listed', problems: eventsPage(write) }),
  modules: () => ({ figures: 'drawn as they are', problems: modulesDiagram(write) }),
  budgets: budgetsCheck,
  telemetry: () => ({ figures: 'documented, drawn and watched', problems: checkTelemetry(write) }),
  deployables: () => ({ figures: 'as the topology has them', problems: deployedApps(write) }),
  compose: () => ({ figures: 'as its schema and the settings say', problems: checkCompose() }),
  kubernetes: () => where(whyNotRendered(), 'all overlays, schemas, settings and who reaches whom', checkKubernetes),
  terraform: async () => ({ ...(await where(whyNotValidated(), 'valid, and tested', checkTerraform)), optional: true }), // no distribution has it
  permissions: () => ({ figures: `${written.length} domains' tables`, problems: permissionTables(written, write) }),
  flags: () => {
    const registry = flagRegistry(domains)
    return { figures: `${registry.size} declared`, problems: checkFlags(registry, sources) }
  },
  pipelines: async () => ({
    figures: `${pipelines.length} workflows and actions`,
    problems: await checkPipelines(pipelines),
  }),
  scripts: () => {
    const scripts = [...scriptsOf(pipelines), ...readShellScripts()]
    const figures = `${scripts.length}, of pipelines and in .ci`
    if (!shellcheckIsInstalled())
      return { figures, problems: [], absent: 'shellcheck is not installed; on Debian: apt-get install shellcheck' }
    return { figures, problems: checkScripts(scripts) }
  },
  catalog: catalogCheck,
}

/** The state that has passed last. */
const PASSED = join(root, '.reports/checked')

/** What a verdict depends on: the files as git would commit them, the base, and the day, since flags expire. Undefined where git cannot say. */
function treeState(): string | undefined {
  const index = join(mkdtempSync(join(tmpdir(), 'offshoot-check-')), 'index')
  try {
    const apart = { GIT_INDEX_FILE: index }
    copyFileSync(resolve(root, gitAnswer(root, 'rev-parse', '--git-path', 'index')!), index)
    git(root, ['add', '--all'], apart)
    return [git(root, ['write-tree'], apart).trim(), baseOf(root), new Date().toISOString().slice(0, 10)].join(' ')
  } catch {
    return undefined
  } finally {
    rmSync(dirname(index), { recursive: true })
  }
}

/** What is judged by comparing with the base branch. */
async function sinceBase(figures: string, judge: (base: string) => Problem[] | Promise<Problem[]>): Promise<Result> {
  try {
    return { figures, problems: await judge(baseOf(root)) }
  } catch (error) {
    if (!(error instanceof NoBase)) throw error
    return { figures, problems: [], absent: error.message }
  }
}

/** What takes a program that no registry of packages has. */
async function where(absent: string | undefined, figures: string, judge: () => Promise<Problem[]>): Promise<Result> {
  return absent ? { absent, figures, problems: [] } : { figures, problems: await judge() }
}

async function tool(command: string, args: string[], figures: string): Promise<Result> {
  const { code, output } = await run(command, args, { quiet: true })
  return {
    figures,
    problems: code === 0 ? [] : [{ file: command, message: `found problems (exit code ${code})` }],
    output,
  }
}

async function budgetsCheck(): Promise<Result> {
  const costs = await Promise.all(
    [gateway, ...Object.keys(readTopology(join(root, 'topology.json')).apps)].map(async (app) => ({
      app,
      ...(await costOf(root, app, app === gateway ? ['scripts'] : [])), // it brings the command that migrates
    })),
  )
  const [{ megabytes, packages, modules }] = costs as [(typeof costs)[0]]
  return {
    figures: `${gateway}: ${Math.round(megabytes)} MB, ${packages} packages, ${modules} modules at the start`,
    problems: costs.flatMap((cost) => budgetProblems(cost.app, cost)),
  }
}

/** On a database that is made for it, so that what is checked is what the migrations make. */
async function catalogCheck(): Promise<Result> {
  const server = await testServer()
  onInterrupt(() => server.stop())
  try {
    process.env.TEST_DATABASE_URL = server.url
    const { adminUrl, drop } = await emptyDatabase()
    const schemas = written.map(({ data }) => data)
    await migrate({ adminUrl, domains: schemas, appSecret: 'a secret of a database that is thrown away' })
    const violations = await checkCatalog(adminUrl, schemas)
    await drop()
    return {
      figures: `${schemas.length} domains' tables, policies, keys and rights in a running database`,
      problems: violations.map(({ domain, rule, message }) => ({
        file: relative(root, join(schemas.find(({ name }) => name === domain)!.directory, 'migrations')),
        message: `${message} [${rule}]`,
      })),
    }
  } finally {
    await server.stop()
  }
}

async function main(): Promise<number> {
  const unknown = chosen.find((name) => !Object.hasOwn(checks, name))
  if (unknown !== undefined) {
    console.error(`There is no check '${unknown}': ${Object.keys(checks).join(', ')}.`)
    return 2
  }
  const wanted = Object.entries(checks).filter(([name]) => chosen.length === 0 || chosen.includes(name))
  const state = write || chosen.length > 0 || args.includes('--force') ? undefined : treeState()
  if (state && existsSync(PASSED) && readFileSync(PASSED, 'utf8') === state) {
    console.log(`All ${wanted.length} checks hold: nothing has changed since they last did.`)
    return 0
  }
  let failed = 0
  let absent = 0
  let missed = 0
  for (const [name, check] of wanted) {
    const started = performance.now()
    const { figures, problems, output, absent: why, optional } = await check()
    if (why) {
      absent++
      if (!optional) missed++
      console.log(`? ${name.padEnd(16)}could not run: ${why}`)
      continue
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.log(`${problems.length === 0 ? '✓' : '✗'} ${name.padEnd(16)}${figures}, ${seconds} s`)
    if (problems.length === 0) continue
    failed++
    if (output) console.log(output.trimEnd().replaceAll(/^/gm, '    '))
    for (const { file, line, message } of problems) console.log(`    ${line ? `${file}:${line}` : file}  ${message}`)
  }
  const count = wanted.length
  const hold =
    failed + absent === 0 ? `All ${count} checks hold.` : `${count - failed - absent} of ${count} checks hold`
  console.log(`\n${hold}${failed ? `, ${failed} failed` : ''}${absent ? `, ${absent} could not run` : ''}`)
  if (state && failed + absent === 0) {
    mkdirSync(dirname(PASSED), { recursive: true })
    writeFileSync(PASSED, state)
  }
  return failed > 0 || (missed > 0 && process.env.CI) ? 1 : 0
}

process.exit(await main())
