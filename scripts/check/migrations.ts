/** Whether new migrations can be applied while the product runs, and while the version before it still does. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { concurrentIndex } from '@offshoot/data/migrate'
import { root } from '../database.ts'
import { run } from '../run.ts'
import { fileAt } from './base.ts'
import type { Problem } from './workspace.ts'

/**
 * Squawk's rules that don't apply: each migration runs once, in a transaction with its record (but for an index that is made concurrently), and waits for a table for 5 s at most; types of columns are Prisma's.
 */
const settled = ['prefer-robust-stmts', 'require-timeout-settings', 'prefer-text-field', 'prefer-bigint-over-int']

interface Finding {
  file: string
  line: number
  message: string
  help: string | null
  rule_name: string
}

/** Migrations that the commit `base` does not have. */
export const newMigrations = (at: string, base: string): string[] =>
  globSync('packages/domains/*/prisma/migrations/*/migration.sql', { cwd: at })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => fileAt(at, base, file) === undefined)

/** Judges the migrations that the commit `base` does not have. */
export async function checkMigrations(base: string, at = root): Promise<Problem[]> {
  const files = newMigrations(at, base)
  const alone = (file: string) => concurrentIndex(readFileSync(join(at, file), 'utf8')) !== undefined
  return [
    ...(await squawk(
      files.filter((file) => !alone(file)),
      ['--assume-in-transaction'],
      at,
    )),
    ...(await squawk(files.filter(alone), [], at)),
  ]
}

async function squawk(files: readonly string[], options: readonly string[], cwd: string): Promise<Problem[]> {
  if (files.length === 0) return []
  const { output } = await run(
    'squawk',
    ['--reporter=json', '--pg-version=15.0', `--exclude=${settled}`, ...options, ...files],
    { quiet: true, cwd },
  )
  const end = output.lastIndexOf(']') + 1
  if (end === 0) throw new Error(`Squawk could not be run:\n${output}`)
  return (JSON.parse(output.slice(output.indexOf('['), end)) as Finding[]).map(
    ({ file, line, message, help, rule_name }) => ({
      file,
      line: line + 1,
      message: `${message} ${help ?? ''} [${rule_name}; -- squawk-ignore ${rule_name} above the statement, and say why]`,
    }),
  )
}
