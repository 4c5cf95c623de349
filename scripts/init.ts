/** `npm run init -- --name acme-cloud [--domains identity,catalog] [--yes] [--force]`: a fresh clone of the template becomes a product. */
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { Changes, undoUnfinished } from './changes.ts'
import { domainsOf } from './domains.ts'
import { isRepository, listed, uncommitted } from './git.ts'
import { Refusal } from './refusal.ts'
import { planRemoval, removeDomains } from './removal/removal.ts'
import { initialise, manifestOf, newRecord, RECORD } from './template/initialise.ts'
import { assertName } from './template/names.ts'
import { titleOf } from './template/rename.ts'

const root = join(import.meta.dirname, '..')
const usage = `Usage:
  npm run init                                    asks what it needs to know
  npm run init -- --name acme-cloud --yes         keeps all domains
  npm run init -- --name acme-cloud --domains identity,catalog
  … --force                                       although there are changes that are not committed`

async function main(): Promise<void> {
  const started = Date.now()
  const given = argumentsGiven()
  if (process.cwd() !== root) throw new Refusal('OUTSIDE_ROOT', `Run this in ${root}.`)
  undoUnfinished(root)
  if (existsSync(join(root, RECORD)))
    throw new Refusal(
      'ALREADY_INITIALISED',
      `This is a product already: it has ${RECORD}. Take a fresh clone of the template.`,
    )
  const repository = isRepository(root)
  const changed = repository && !given.force ? uncommitted(root) : []
  if (changed.length > 0)
    throw new Refusal(
      'DIRTY',
      `There are changes that are not committed: ${listed(changed)}. Commit them, or say --force.`,
    )

  const { domains, ...choices } = await choicesOf(given)
  const changes = new Changes(root)
  const dropped = domains ? domainsOf(root).filter((domain) => !domains.includes(domain)) : []
  if (dropped.length > 0) await drop(changes, dropped, given.sources)
  initialise(changes, newRecord(root, { ...choices, domains }))
  await changes.apply()

  const title = titleOf(choices.name)
  console.log(`\n${title} is ready (${((Date.now() - started) / 1000).toFixed(1)} s). LICENSE still says whom the template is from, as its terms ask.

  npm start      runs it; npm run check and npm test pass as it is
${repository ? '  git diff       shows what was changed' : '  git init       since this is no repository yet, and what follows needs one'}
  git add -A && git commit -m "chore: begin ${title}"`)
}

async function choicesOf(given: ReturnType<typeof argumentsGiven>) {
  const name = given.name ?? (await ask(given.yes, 'What is the product called, in lower case, like acme-cloud?'))
  if (!name) throw new Refusal('NO_NAME', `A product needs a name.\n${usage}`)
  assertName(name, manifestOf(root).name, scopes())
  const demo = domainsOf(root)
  const list = given.domains ?? (await ask(given.yes, `Which domains stay, of ${demo.join(', ')}? (all)`))
  const domains = list ? list.split(',').map((domain) => domain.trim()) : undefined
  const unknown = domains?.filter((domain) => !demo.includes(domain)) ?? []
  if (unknown.length > 0)
    throw new Refusal('UNKNOWN_DOMAIN', `There is no domain ${listed(unknown)}: ${demo.join(', ')}.`)
  return { name, domains }
}

/** In an upgrade a product may have kept what used to need the others, and its sources tell how. */
async function drop(changes: Changes, domains: readonly string[], sourcesOnly = false): Promise<void> {
  const { dependents } = planRemoval(changes, domains)
  if (dependents.length > 0 && !sourcesOnly) {
    const needs = dependents.map(({ domain, needs, why }) => `  ${domain} needs ${needs}: ${why}`)
    throw new Refusal(
      'NEEDED',
      `Some domains cannot do without others. Keep these too, or drop those that need them:\n${needs.join('\n')}`,
    )
  }
  removeDomains(changes, domains)
  if (sourcesOnly) return
  // Loaded here, since it loads the product, which is not installed where an upgrade initialises a version.
  const { complete, removeCopies } = await import('./generators/complete.ts')
  const { onInterrupt } = await import('./run.ts')
  onInterrupt(async () => {
    removeCopies()
    undoUnfinished(root)
  })
  await complete(changes)
}

function argumentsGiven() {
  const options = {
    name: { type: 'string' },
    domains: { type: 'string' },
    yes: { type: 'boolean' },
    force: { type: 'boolean' },
    /** For upgrades: without what is generated, which needs packages that are installed. */
    sources: { type: 'boolean' },
  } as const
  try {
    return parseArgs({ options }).values
  } catch (error) {
    throw new Refusal('USAGE', `${(error as Error).message}\n${usage}`)
  }
}

/** Nobody is asked where nobody can answer. */
async function ask(yes: boolean | undefined, question: string): Promise<string> {
  if (yes || !process.stdin.isTTY) return ''
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`${question} `)
  terminal.close()
  return answer.trim()
}

/** Scopes of packages that are installed. */
function scopes(): Set<string> {
  const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
  return new Set(Array.from(lockfile.matchAll(/^ {2}'@([\w-]+)\//gm), ([, scope]) => scope!))
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    undoUnfinished(root)
    process.exit(128 + constants.signals[signal])
  })
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = error.code === 'USAGE' ? 2 : 1
}
