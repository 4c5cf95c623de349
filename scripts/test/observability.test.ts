import { execFile, spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { dashboardFiles, dashboardProblems, runbookProblems, unknownNames } from '../check/telemetry.ts'
import { root } from '../database.ts'
import { alerts } from '../telemetry/alerts.ts'
import { slos } from '../telemetry/slos.ts'

const prometheus = join(root, 'infra/observability/prometheus')
const files = (pattern: string) => globSync(pattern, { cwd: prometheus }).sort()
const installed = spawnSync('promtool', ['--version']).status === 0

/** What promtool has to complain about; it prints to both streams. */
async function promtool(...args: string[]): Promise<string> {
  try {
    await promisify(execFile)('promtool', args, { cwd: prometheus })
    return ''
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return `${stdout}${stderr}` || String(error)
  }
}

if (!installed)
  console.warn('Skipped: the rules of Prometheus. promtool, of Debian’s package prometheus, is not installed.')

describe.skipIf(!installed)('Prometheus', () => {
  it('takes the rules, and the configuration that loads them', async () => {
    expect(await promtool('check', 'rules', '--lint=all', '--lint-fatal', ...files('rules/*.yaml'))).toBe('')
    expect(await promtool('check', 'config', 'prometheus.yml', 'compose.yml')).toBe('')
  })

  it.concurrent.each(files('tests/*.yaml'))('fires when it should, and not when it shouldn’t: %s', async (file) => {
    expect(await promtool('test', 'rules', file)).toBe('')
  })

  it('understands every query of the dashboards', async () => {
    const queries = dashboardFiles().flatMap(({ panels, templating }) => [
      ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...templating.list.flatMap(({ definition }) => /^label_values\((.+), *\w+\)$/.exec(definition ?? '')?.[1] ?? []),
    ])
    expect(queries.length).toBeGreaterThan(50)
    const rules = queries.map((query, at) => ({
      record: `query:number:${at}`,
      expr: query.replaceAll('$__rate_interval', '1m'),
    }))
    const directory = mkdtempSync(join(tmpdir(), 'offshoot-queries-'))
    try {
      const file = join(directory, 'queries.yaml')
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }))
      expect(await promtool('check', 'rules', file)).toBe('')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

describe('alerts', () => {
  const cases = files('tests/*.yaml')
    .map((file) => readFileSync(join(prometheus, file), 'utf8'))
    .join('\n')

  it.each([...slos.map(({ alert }) => alert), ...alerts.map(({ name }) => name)])('%s is seen to fire', (name) => {
    expect(cases).toMatch(new RegExp(`exp_samples: \\[\\{ labels: '\\{alertname="${name}", severity="(page|ticket)"`))
  })

  it('have a runbook each, and runbooks an alert', () => {
    expect(runbookProblems(['OutboxNotPublished'], ['docs/runbooks/outbox-not-published.md'])).toEqual([])
    expect(runbookProblems(['OutboxNotPublished'], ['docs/runbooks/README.md', 'docs/runbooks/moon.md'])).toEqual([
      {
        file: 'docs/runbooks/outbox-not-published.md',
        message: 'is missing: what to do when OutboxNotPublished fires',
      },
      { file: 'docs/runbooks/moon.md', message: 'is the runbook of no alert' },
    ])
  })
})

describe('a runbook', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  it.each(globSync('docs/runbooks/*.md', { cwd: root }).filter((path) => !path.endsWith('README.md')))(
    'says what it means, what customers see, where to look and what to do, by commands that exist: %s',
    (file) => {
      const text = readFileSync(join(root, file), 'utf8')
      for (const part of ['**Means:**', '**Customers see:**', '**Look**', '**Do**']) expect(text).toContain(part)
      for (const [, command] of text.matchAll(/npm run ([\w:]+)/g)) expect(scripts).toHaveProperty([command!])
    },
  )
})

describe('what the check finds', () => {
  it('nothing in dashboards and runbooks as they are', () => {
    expect([...dashboardFiles().flatMap(dashboardProblems), ...runbookProblems()]).toEqual([])
  })

  it.each([
    ['sum by (domain) (rate(rpc_server_call_duration_count{error_type!=""}[5m]))'],
    ['histogram_quantile(0.95, sum by (le, rpc_method) (rate(rpc_server_call_duration_bucket[$__rate_interval])))'],
    ['max by (domain) (offshoot_outbox_age) > 30 unless on (domain) offshoot_event_dead > 1e3'],
    ['slo:error_ratio:rate1h{slo="graphql-latency"} / on (slo) slo:error_budget:ratio'],
    ['up{job="offshoot"} == 0 or absent(up{job="offshoot"})'],
  ])('nothing in %s', (query) => expect(unknownNames(query)).toEqual([]))

  it.each([
    ['rate(rpc_server_call_duration_seconds_count[5m])', 'metric rpc_server_call_duration_seconds_count'],
    ['offshoot_event_failures', 'metric offshoot_event_failures'],
    ['sum by (tenant_id) (rate(rpc_server_call_duration_count[5m]))', 'label tenant_id'],
    ['offshoot_outbox_age{offshoot_handler="x"}', 'label offshoot_handler'],
    ['offshoot_outbox_age{domain="a} by (b"} + on (plan) offshoot_outbox_unpublished', 'label plan'],
  ])('in %s the %s', (query, what) => expect(unknownNames(query)).toEqual([expect.stringContaining(what)]))

  it('a label that a legend shows and no metric has, and a variable of a metric that is gone', () => {
    const dashboard = {
      path: 'a.json',
      panels: [{ title: 'Age', targets: [{ expr: 'offshoot_outbox_age', legendFormat: '{{domain}} {{tenant}}' }] }],
      templating: { list: [{ name: 'domain', type: 'query', definition: 'label_values(gone, domain)' }] },
    }
    expect(dashboardProblems(dashboard).map(({ message }) => message)).toEqual([
      "'Age' names the label tenant, which no metric of offshoot_outbox_age has",
      'the variable domain names the metric gone, which nothing exports',
      'the variable domain names the label domain, which no metric of gone has',
    ])
  })
})
