/** `npm run review [-- --days 90] [-- --prometheus <url>] [-- --out <file>]`: what a team looks at once a quarter, as Markdown for the meeting. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { flagRegistry } from '@offshoot/flags/runtime'
import { domains } from '@offshoot/gateway/domains'
import { root } from './database.ts'
import { gitAnswer } from './git.ts'
import { changedTogether, commitsOf, hotspots } from './review/history.ts'
import { pressure, prometheus } from './review/pressure.ts'
import { page, type Section } from './review/report.ts'
import { decisions, dependencies, exceptions, flags } from './review/upkeep.ts'

const USAGE = `Usage:
  npm run review [-- --days <n>] [--prometheus <url>] [--out <file>]
Looks back for 90 days, unless told otherwise. Without a Prometheus (PROMETHEUS_URL) it says nothing of load.`

async function measured(url: string | undefined, days: number): Promise<Section[]> {
  const absent = (otherwise: string): Section[] => [
    {
      title: 'Pressure',
      reading: 'Load, latency, errors and cost by domain and plan.',
      columns: [],
      rows: [],
      otherwise,
    },
  ]
  if (!url) return absent('Not looked at: name a Prometheus, by `--prometheus <url>` or `PROMETHEUS_URL`.')
  try {
    return await pressure(prometheus(url), `${days}d`)
  } catch (error) {
    return absent(`Not looked at: ${url} cannot be asked (${(error as Error).message}).`)
  }
}

function history(days: number): Section[] {
  try {
    const commits = commitsOf(root, days)
    return [hotspots(root, commits), changedTogether(commits)]
  } catch {
    const otherwise = 'Not looked at: there is no git history here.'
    return [{ title: 'History', reading: 'Hotspots, and what changes together.', columns: [], rows: [], otherwise }]
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { days: { type: 'string', default: '90' }, prometheus: { type: 'string' }, out: { type: 'string' } },
  })
  const days = Number(values.days)
  if (!Number.isInteger(days) || days < 1) throw new Error(`--days is a number of days, not '${values.days}'.`)
  const now = new Date()
  const sections = [
    ...(await measured(values.prometheus ?? process.env.PROMETHEUS_URL, days)),
    ...history(days),
    exceptions(root, domains, now),
    flags(flagRegistry(domains), now),
    decisions(root, now),
    await dependencies(),
  ]
  const head = gitAnswer(root, 'describe', '--always', '--dirty') ?? 'a tree without history'
  const text = page(
    `Architecture review, ${now.toISOString().slice(0, 10)}`,
    `Of ${head}, looking back for ${days} days. Decide one step at most, and write it into docs/decisions.`,
    sections,
  )
  if (values.out) writeFileSync(values.out, text)
  else console.log(text)
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exitCode = 2
}
