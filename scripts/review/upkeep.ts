/** What grows old: exceptions, flags, dependencies, decisions. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FlagRegistry, isStale } from '@offshoot/flags/runtime'
import type { Domain } from '@offshoot/host'
import { gitAnswer, listed } from '../git.ts'
import { run } from '../run.ts'
import type { Section } from './report.ts'

const day = 86_400_000
/** Until about the next review, in days. */
const soon = 90

const suspended = /(biome-ignore|squawk-ignore|@ts-expect-error|@ts-ignore) /

/** Places where a rule is suspended: in code and migrations, and tables that have no tenant. The oldest first. */
export function exceptions(root: string, domains: readonly Domain[], now: Date): Section {
  const files = globSync(
    ['apps/*/src/**/*.ts', 'packages/*/*/src/**/*.ts', 'packages/domains/*/prisma/migrations/*/*.sql'],
    {
      cwd: root,
      exclude: (path) => /(^|[\\/])(node_modules|generated)$/.test(path),
    },
  )
  const marked = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((text, at) =>
        suspended.test(text) ? [{ file, line: at + 1, what: text.trim().replace(/^(\/\/|--) /, '') }] : [],
      ),
  )
  const global = domains.flatMap(({ name, data }) => {
    const file = `packages/domains/${name}/src/domain.ts`
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    return Object.entries(data.globalTables).map(([table, reason]) => {
      const line = lines.findIndex((text) => new RegExp(`\\b${table}:`).test(text)) + 1
      return { file, line, what: `${table} has no tenant: ${reason}` }
    })
  })
  const rows = [...marked, ...global]
    .map(({ file, line, what }) => ({ file, line, what, days: ageOf(root, file, line, now) }))
    .sort((a, b) => b.days - a.days)
    .map(({ file, line, what, days }) => [`\`${file}:${line}\``, what, days])
  return {
    title: 'Exceptions',
    reading: 'Where a rule is suspended. Each was right once: is it still?',
    columns: ['where', 'what', 'days'],
    rows,
    otherwise: 'No rule is suspended anywhere.',
  }
}

/** How many days ago a line was written; 0 where no history says it. */
function ageOf(root: string, file: string, line: number, now: Date): number {
  const blame = gitAnswer(root, 'blame', '--porcelain', '-L', `${line},${line}`, '--', file) ?? ''
  const written = /^author-time (\d+)$/m.exec(blame)?.[1]
  return written ? Math.max(0, Math.floor((now.getTime() - Number(written) * 1_000) / day)) : 0
}

export function flags(registry: FlagRegistry, now: Date): Section {
  const today = now.toISOString().slice(0, 10)
  const later = new Date(now.getTime() + soon * day).toISOString().slice(0, 10)
  const meant = [...registry.values()]
    .filter(({ expires }) => expires !== null)
    .sort((a, b) => (a.expires! < b.expires! ? -1 : 1))
  const due = meant.filter(({ expires }) => expires! <= later)
  const rows = meant.map((flag) => [
    flag.key,
    flag.kind,
    flag.owner,
    Math.floor((now.getTime() - Date.parse(flag.since)) / day),
    `${isStale(flag, today) ? 'STALE since' : 'until'} ${flag.expires}`,
  ])
  return {
    title: 'Flags that are meant to go',
    reading: 'A release that is decided loses its flag, and the side that nobody takes.',
    columns: ['flag', 'kind', 'owner', 'days', 'lifetime'],
    rows,
    otherwise: 'There are none.',
    finding:
      due.length > 0 &&
      `${listed(due.map(({ key }) => key))}: no longer needed within ${soon} days, or already stale. Which side stays?`,
  }
}

/** Decisions say `Revisit by 2027-05-31 at the latest.` under their last heading. */
export function decisions(root: string, now: Date): Section {
  const today = now.toISOString().slice(0, 10)
  const all = globSync('docs/decisions/*.md', { cwd: root })
    .sort()
    .map((file) => {
      const text = readFileSync(join(root, file), 'utf8')
      const title = /^# (.*)$/m.exec(text)?.[1]
      return {
        link: `[${title}](${file.replaceAll('\\', '/')})`,
        by: /^Revisit by (\d{4}-\d\d-\d\d)\b/m.exec(text)?.[1],
      }
    })
  const due = all.filter(({ by }) => by === undefined || by <= today)
  const next = all.flatMap(({ by }) => by ?? []).sort()[0]
  return {
    title: 'Decisions that are due',
    reading:
      'Does what each of them says under *When to revisit* hold by now? Give it another date, or another decision.',
    columns: ['decision', 'by'],
    rows: due.map(({ link, by }) => [link, by ?? 'names no date']),
    otherwise: `None of ${all.length} is${next ? `; the first will be on ${next}` : ''}.`,
    finding: due.length > 0 && `Decisions to look at again: ${due.length}`,
  }
}

/** Which dependencies have a newer version, by how much. Asks the registry that is configured. */
export async function dependencies(ask: () => Promise<string> = outdated): Promise<Section> {
  const reading =
    'Versions behind the latest. What is a major one behind is work that only grows; the others Dependabot brings.'
  const section = { title: 'Dependencies', reading, columns: ['package', 'here', 'latest'] }
  try {
    const found = JSON.parse(await ask()) as Record<string, { current?: string; wanted: string; latest: string }>
    const all = new Map(
      Object.entries(found).map(([name, { current, wanted, latest }]) => {
        const [, bare = name] = /^(@?[^@ ]+)/.exec(name) ?? [] // `name@1.0.0 (dev)` where it is both
        return [bare, { name: bare, here: current ?? wanted, latest }]
      }),
    )
    const behind = [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const majors = behind.filter(isMajor)
    const others = behind.filter((one) => !isMajor(one))
    return {
      ...section,
      rows: [
        ...majors.map(({ name, here, latest }) => [name, here, latest]),
        ...(others.length > 0
          ? [[`${others.length} within their major version`, '', others.map(({ name }) => name).join(', ')]]
          : []),
      ],
      otherwise: 'All are the latest.',
      finding:
        majors.length > 0 &&
        `A major version behind: ${majors.map(({ name }) => name).join(', ')}. Which is worth its upgrade now?`,
    }
  } catch (error) {
    return { ...section, rows: [], otherwise: `The registry could not be asked: ${(error as Error).message}` }
  }
}

const isMajor = ({ here, latest }: { here: string; latest: string }) => here.split('.')[0] !== latest.split('.')[0]

async function outdated(): Promise<string> {
  const { output } = await run('pnpm', ['--recursive', 'outdated', '--format=json'], { quiet: true })
  const start = output.indexOf('{')
  if (start < 0) throw new Error(output.trim().split('\n').at(-1) || 'no answer')
  return output.slice(start, output.lastIndexOf('}') + 1)
}
