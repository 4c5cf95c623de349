/** `npm run remove domain <name…> [-- --yes --dry-run --force]`: takes domains out of the product, with all that belongs to them. */
import { createInterface } from 'node:readline/promises'
import { Changes, undoUnfinished } from './changes.ts'
import { root } from './database.ts'
import { complete, removeCopies } from './generators/complete.ts'
import { Refusal } from './refusal.ts'
import { announce, planRemoval, refuseUncommitted, removeDomains } from './removal/removal.ts'
import { installPackages, onInterrupt } from './run.ts'

const USAGE = `Usage: npm run remove domain <name…> [-- --yes --dry-run --force]
  --yes      also those domains that cannot do without it, unasked
  --dry-run  shows what would change, and changes nothing
  --force    also in a tree with changes that are not committed`

const flags = ['--yes', '--dry-run', '--force']

async function main([kind, ...args]: string[]): Promise<number> {
  const [yes, dryRun, force] = flags.map((flag) => args.includes(flag))
  const names = args.filter((argument) => !flags.includes(argument))
  if (kind !== 'domain' || names.length === 0 || names.some((name) => name.startsWith('-'))) {
    console.error(USAGE)
    return 2
  }
  const started = Date.now()
  undoUnfinished(root)
  const changes = new Changes(root)
  const { domains, dependents, losses } = planRemoval(changes, names)
  if (dependents.length > 0) {
    console.log(`${listed(dependents.map(({ domain }) => domain))} cannot do without what is removed:`)
    for (const { domain, needs, file, why } of dependents) console.log(`  ${domain} needs ${needs}: ${why} (${file})`)
    if (!yes && !dryRun && !(await agreed('Remove them too?')))
      throw new Refusal('NEEDED', 'Nothing was removed. Remove what needs it first, or all of it with -- --yes.')
  }
  removeDomains(changes, domains)
  await complete(changes)
  announce(changes, domains)
  if (!force) refuseUncommitted(changes)
  if (dryRun) {
    show(changes, domains)
    return 0
  }
  const touched = [...changes.files.values()]
  const removed = touched.filter((text) => text === null).length
  await changes.apply(() => installPackages('nothing was removed'))

  for (const { domain, from, names } of losses)
    console.log(`${domain} stays, without what it had from ${from}: ${names.join(', ')}. Its tables stay as they are.`)
  console.log(`${listed(domains)} ${domains.length === 1 ? 'is' : 'are'} removed: ${removed} files, and parts of ${touched.length - removed} others (${((Date.now() - started) / 1000).toFixed(1)} s).
Look at it (\`git status\`), run \`npm run check\` and \`npm test\`, and commit it.
Databases keep what was stored until you say \`npm run db:drop ${domains.join(' ')}\` there.`)
  return 0
}

/** What would change: the lists of files, then the changes of those that stay. */
function show(changes: Changes, domains: readonly string[]): void {
  const stays = new Changes(changes.root)
  for (const domain of domains) console.log(`removed  packages/domains/${domain}/`)
  for (const [path, text] of changes.files) {
    if (text !== null) stays.write(path, text)
    else if (!domains.some((domain) => path.startsWith(`packages/domains/${domain}/`))) console.log(`removed  ${path}`)
  }
  console.log(`\n${stays.diff()}`)
}

async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`${question} [y/N] `)
  terminal.close()
  return /^y(es)?$/i.test(answer.trim())
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

onInterrupt(async () => {
  removeCopies()
  undoUnfinished(root)
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = 1
}
