/**
 * `npm run contracts [-- <file>]`: what a change does to what others rely on, compared with the base branch, as Markdown: the public schema, calls, events and migrations. Exits 1 where it
 * breaks them.
 */
import { appendFileSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { baseOf, orEnd } from './check/base.ts'
import { checkCompatibility } from './check/compatibility.ts'
import { checkMigrations } from './check/migrations.ts'
import type { Problem } from './check/workspace.ts'
import { root } from './database.ts'
import { git } from './git.ts'

interface Contracts {
  problems: readonly Problem[]
  /** The difference of the public schema, as git shows it. */
  schema: string
  /** Domains whose calls or events are not what they were, with the numbers of lines. */
  domains: readonly { domain: string; added: string; removed: string }[]
  /** New migrations, by path, and changed ones. */
  migrations: readonly string[]
}

/** GitHub takes comments up to 65,536 characters. */
const LONGEST = 50_000

export function contractsPage({ problems, schema, domains, migrations }: Contracts): string {
  const broken = problems.map(({ file, line, message }) => `- \`${line ? `${file}:${line}` : file}\` ${message}\n`)
  const shown = schema.length > LONGEST ? `${schema.slice(0, LONGEST)}\n… and more\n` : schema
  const parts = [
    broken.length > 0 && `**This breaks what others rely on.**\n\n${broken.join('')}`,
    schema && `Public schema:\n\n\`\`\`\`diff\n${shown}\`\`\`\`\n`,
    domains.length > 0 &&
      `Calls and events:\n\n${domains.map(({ domain, added, removed }) => `- ${domain}: ${added} lines added, ${removed} removed in its contract.json\n`).join('')}`,
    migrations.length > 0 && `Migrations:\n\n${migrations.map((path) => `- \`${path}\`\n`).join('')}`,
  ].filter((part) => part !== false && part !== '')
  return `### Contracts\n\n${parts.length > 0 ? parts.join('\n') : 'The public schema, calls, events and migrations are what they were.\n'}`
}

async function compare(base: string): Promise<Contracts> {
  const changed = (...args: string[]) =>
    git(root, ['diff', '--relative', ...args])
      .split('\n')
      .filter((line) => line !== '')
  return {
    problems: [...checkCompatibility(root, base), ...(await checkMigrations(base))],
    schema: git(root, ['diff', '--unified=2', '--no-color', base, '--', 'apps/gateway/schema.graphql'])
      .split('\n')
      .slice(4) // the names of the file
      .join('\n'),
    domains: changed('--numstat', base, '--', 'packages/domains/*/contract.json').map((line) => {
      const [added, removed, path] = line.split('\t') as [string, string, string]
      return { domain: basename(dirname(path)), added, removed }
    }),
    migrations: changed('--name-only', base, '--', '*/migrations/*.sql'),
  }
}

if (import.meta.main) {
  const contracts = await compare(orEnd(() => baseOf(root)))
  const page = contractsPage(contracts)
  const [file] = process.argv.slice(2)
  if (file) writeFileSync(file, page)
  else console.log(page)
  if (process.env.GITHUB_STEP_SUMMARY) appendFileSync(process.env.GITHUB_STEP_SUMMARY, page)
  process.exitCode = contracts.problems.length > 0 ? 1 : 0
}
