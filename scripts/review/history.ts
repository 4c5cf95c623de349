/** What the history of the repository tells: where work goes on all the time, and what changes together although it should not. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { git, listed } from '../git.ts'
import { percent, type Section } from './report.ts'

/** The files that one commit changed. */
export type Commit = readonly string[]

/** Commits that change more files than this are sweeping: they tell nothing of what belongs together. */
const sweeping = 40

/** The commits of the last `days`, merges aside, the latest first. */
export function commitsOf(root: string, days: number): Commit[] {
  const log = git(root, ['log', `--since=${days} days ago`, '--no-merges', '--name-only', '--format=%x00'])
  return log
    .split('\0')
    .map((commit) => commit.split('\n').filter((file) => file !== ''))
    .filter((files) => files.length > 0)
}

const written = /^(apps|packages|scripts)\/.*\.(ts|tsx|mjs|js)$/
const domainOf = (file: string) => /^packages\/domains\/([^/]+)\/src\//.exec(file)?.[1]

/** Churn times complexity (A. Tornhill, Your Code as a Crime Scene): complexity is the sum of the lines' indentation. */
export function hotspots(root: string, commits: readonly Commit[]): Section {
  const changes = count(commits.flat().filter((file) => written.test(file) && !file.includes('/test/')))
  const files = [...changes]
    .filter(([file]) => existsSync(join(root, file)))
    .map(([file, times]) => {
      const lines = readFileSync(join(root, file), 'utf8').split('\n')
      const complexity = lines.reduce((sum, line) => sum + (line.length - line.trimStart().length) / 2, 0)
      return { file, times, lines: lines.length, score: times * complexity }
    })
    .sort((a, b) => b.score - a.score)
  const all = files.reduce((sum, { score }) => sum + score, 0) || 1
  const hottest = files[0]
  return {
    title: 'Hotspots',
    reading:
      'Files that are changed often and are deeply nested: here faults arise, and here a clearer design pays first. The heat of a file is its changes times its indentation, as a share of that of all files.',
    columns: ['file', 'changes', 'lines', 'heat'],
    rows: files
      .slice(0, 10)
      .map(({ file, times, lines, score }) => [`\`${file}\``, times, lines, percent(score / all)]),
    otherwise: 'No source file was changed.',
    finding:
      hottest !== undefined &&
      hottest.score / all >= hot &&
      `\`${hottest.file}\` has ${percent(hottest.score / all)} of the heat of ${files.length} files: what in it changes for different reasons?`,
  }
}

/** From which share of all heat one file is worth a discussion, and from which share of its changes with another a domain. */
const [hot, coupled] = [0.05, 1 / 3]

/** Files of different domains that are changed together: a boundary that runs through something that is one. */
export function changedTogether(commits: readonly Commit[]): Section {
  const relevant = commits.filter((files) => files.length <= sweeping)
  const domainsIn = (files: Commit) => [...new Set(files.map(domainOf).filter((name) => name !== undefined))].sort()
  const touched = relevant.map(domainsIn)
  const alone = count(touched.flat())
  const pairs = count(touched.flatMap((names) => pairsOf(names).map((pair) => pair.join(' '))))
  const found = [...pairs]
    .map(([pair, times]) => {
      const [one, other] = pair.split(' ') as [string, string]
      return { one, other, times, share: times / Math.min(alone.get(one)!, alone.get(other)!) }
    })
    .filter(({ times, share }) => times >= 3 && share >= 0.25)
    .sort((a, b) => b.share - a.share)
    .slice(0, 10)
  const often = new Map(found.map((pair) => [pair, filesTogether(relevant, pair.one, pair.other)]))
  const tight = found.filter((pair) => pair.share > coupled && often.get(pair)!.times >= 3)
  return {
    title: 'Domains that change together',
    reading:
      'In how many commits both were changed, and which share that is of the changes of the one that changes less; and the two files that did so most often. More than a third, and the same files each time, asks whether the boundary is in the right place.',
    columns: ['domains', 'commits', 'share', 'most often'],
    rows: found.map((pair) => {
      const { files, times } = often.get(pair)!
      const most = times >= 3 ? `${files}, ${times} times` : 'no two files three times'
      return [`${pair.one}, ${pair.other}`, pair.times, percent(pair.share), most]
    }),
    otherwise: 'No two domains were changed together three times, and in a quarter of the changes of one of them.',
    finding:
      tight.length > 0 &&
      `${listed(tight.map(({ one, other }) => `${one} with ${other}`))}: changed together more often than a third of the time. Is it one thing?`,
  }
}

/** The two files, one of each domain, that were changed in the same commits most often. */
function filesTogether(commits: readonly Commit[], one: string, other: string): { files: string; times: number } {
  const of = (files: Commit, domain: string) => files.filter((file) => domainOf(file) === domain)
  const both = count(
    commits.flatMap((files) =>
      of(files, one).flatMap((a) => of(files, other).map((b) => `${short(a)} with ${short(b)}`)),
    ),
  )
  const [[files, times]] = [...both].sort(([, a], [, b]) => b - a) as [[string, number]]
  return { files, times }
}

const short = (file: string) => `\`${file.replace(/^packages\/domains\//, '').replace('/src/', '/')}\``

const pairsOf = (names: readonly string[]) =>
  names.flatMap((one, at) => names.slice(at + 1).map((other) => [one, other] as const))

function count<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
