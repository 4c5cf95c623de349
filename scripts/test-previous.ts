/**
 * `npm run test:previous`: whether the code of the base branch passes its tests on the tables that this branch's migrations make. In a rolling release both run at once, for as long as it takes;
 * and whoever takes a release back does not take its migrations back.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { baseOf, fileAt, orEnd } from './check/base.ts'
import { newMigrations } from './check/migrations.ts'
import { root } from './database.ts'
import { git } from './git.ts'
import { onInterrupt, run } from './run.ts'

async function main(): Promise<number> {
  const base = orEnd(() => baseOf(root))
  const isOld = (file: string) => fileAt(root, base, `${file.split('/migrations/')[0]}/schema.prisma`) !== undefined
  const files = newMigrations(root, base).filter(isOld) // of domains that were there before
  if (files.length === 0) {
    console.log(`Nothing to test: no domain has a migration that ${base.slice(0, 12)} does not have.`)
    return 0
  }
  const domains = [...new Set(files.map((file) => file.split('/')[2]!))]
  console.log(
    `The tests of ${domains.join(', ')} as they are in ${base.slice(0, 12)}, with ${files.map((file) => basename(dirname(file))).join(', ')}:\n`,
  )
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-previous-'))
  const before = join(directory, 'before')
  const discard = () => {
    rmSync(directory, { recursive: true, force: true })
    git(root, ['worktree', 'prune'])
  }
  onInterrupt(async () => discard())
  try {
    git(root, ['worktree', 'add', '--quiet', '--detach', before, base])
    for (const file of files) cpSync(join(root, dirname(file)), join(before, dirname(file)), { recursive: true })
    const steps = [
      ['node', ['scripts/setup.mjs']],
      ['npm', ['test', '--', ...domains, '--bail=1']],
    ] as const
    for (const [command, args] of steps) {
      const { code } = await run(command, args, { cwd: before })
      if (code === 0) continue
      console.error(
        `\nThe version before cannot live with these migrations. Expand first: add what is new beside what is old, and take the old away a release later.`,
      )
      return 1
    }
    return 0
  } finally {
    if (existsSync(directory)) discard()
  }
}

process.exitCode = await main()
