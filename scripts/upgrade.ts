/** `npm run upgrade [-- --to <version>] [--from <git URL or path>] [--dry-run]`: merges a later version of the template into this product. */
import { parseArgs } from 'node:util'
import { root } from './database.ts'
import { generated } from './generators/complete.ts'
import { git } from './git.ts'
import { Refusal } from './refusal.ts'
import { onInterrupt, run } from './run.ts'
import { type Upgrade, upgrade } from './template/upgrade.ts'

const usage = `Usage:
  npm run upgrade                              to the newest version
  npm run upgrade -- --dry-run                 tells what it would do
  npm run upgrade -- --to 1.2.3
  npm run upgrade -- --from <URL or path of the template's repository>`

async function main(): Promise<void> {
  const started = Date.now()
  const { to, from, 'dry-run': dryRun } = argumentsGiven()
  if (process.cwd() !== root) throw new Refusal('OUTSIDE_ROOT', `Run this in ${root}.`)
  const done = await upgrade(root, { to, from, dryRun })
  show(done)
  const took = `${((Date.now() - started) / 1000).toFixed(1)} s`
  if (dryRun) {
    console.log(`\nNothing was changed (${took}).`)
    return
  }
  if (done.conflicts.length === 0 && done.outdated.length > 0) await regenerate()
  const last = `git cherry-pick --continue\n\`git cherry-pick --abort\` takes all of it back.`
  console.log(
    done.conflicts.length > 0
      ? `\nMerged, but for the conflicts (${took}). In these files both you and the template changed the same lines. Resolve them, then
  npm run check -- --write && npm test && git add -A
  ${last}`
      : `\nMerged (${took}). git diff --cached shows it.
  npm run check -- --write && npm test && git add -A
  ${last}`,
  )
  if (done.conflicts.length > 0) process.exitCode = 1
}

/** What is generated is made again from what was merged. */
async function regenerate(): Promise<void> {
  console.log('Making anew what is generated, since both you and the template changed it.')
  const env = { CI: '' } // The lockfile is meant to change.
  for (const command of [['scripts/setup.mjs'], ['scripts/check.ts', '--write', ...generated]]) {
    const { code, output } = await run('node', command, { quiet: true, env })
    if (code !== 0) throw new Refusal('NOT_REGENERATED', `Merged, but \`node ${command.join(' ')}\` failed:\n${output}`)
  }
  git(root, ['add', '-u'])
}

function show({ from, to, changed, conflicts, migrations }: Upgrade): void {
  console.log(`The template, from ${from} to ${to}: ${changed.length + conflicts.length} files.`)
  const kinds = { A: 'added', M: 'changed', D: 'removed', R: 'renamed' }
  for (const [letter, kind] of Object.entries(kinds)) {
    const files = changed.filter(([how]) => how!.startsWith(letter))
    if (files.length > 0) console.log(`\n${kind} (${files.length})`)
    for (const [, ...names] of files) console.log(`  ${names.join(' → ')}`)
  }
  if (conflicts.length > 0) console.log(`\nconflicts (${conflicts.length})`)
  for (const file of conflicts) console.log(`  ${file}`)
  for (const migration of migrations)
    console.log(
      `\n${migration} was changed in the template. It may have been applied already, so it stays as it is; see whether a new migration is needed.`,
    )
}

function argumentsGiven() {
  const options = { to: { type: 'string' }, from: { type: 'string' }, 'dry-run': { type: 'boolean' } } as const
  try {
    return parseArgs({ options }).values
  } catch (error) {
    throw new Refusal('USAGE', `${(error as Error).message}\n${usage}`)
  }
}

onInterrupt(async () => {})

try {
  await main()
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = error.code === 'USAGE' ? 2 : 1
}
