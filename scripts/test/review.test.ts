import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FlagRegistry } from '@offshoot/flags/runtime'
import { afterAll, describe, expect, it } from 'vitest'
import { changedTogether, commitsOf, hotspots } from '../review/history.ts'
import { pressure, prometheus } from '../review/pressure.ts'
import { markdown, page } from '../review/report.ts'
import { decisions, dependencies, flags } from '../review/upkeep.ts'
import { freePort } from '../supervisor/free-port.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-review-'))
afterAll(() => rmSync(directory, { recursive: true }))

function write(file: string, text: string) {
  mkdirSync(dirname(join(directory, file)), { recursive: true })
  writeFileSync(join(directory, file), text)
}

describe('the review', () => {
  it('finds what is changed often and deep, and what changes together', () => {
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@offshoot.test', ...args], { cwd: directory })
    git('init', '-q')
    const source = (domain: string) => `packages/domains/${domain}/src/use-case.ts`
    for (let n = 0; n < 4; n++) {
      write(source('orders'), `a\n    deep ${n}\n        deeper\n`)
      if (n > 0) write(source('catalog'), `  flat ${n}\n`)
      if (n === 3) write(source('billing'), 'once\n')
      git('add', '-A')
      git('commit', '-qm', 'change')
    }
    const commits = commitsOf(directory, 1)
    expect(commits).toHaveLength(4)
    const hot = hotspots(directory, commits)
    expect(hot.rows).toEqual([
      [`\`${source('orders')}\``, 4, 4, '89 %'],
      [`\`${source('catalog')}\``, 3, 2, '11 %'],
      [`\`${source('billing')}\``, 1, 2, '0.00 %'],
    ])
    const together = changedTogether(commits)
    expect(together.rows).toEqual([
      ['catalog, orders', 3, '100 %', '`catalog/use-case.ts` with `orders/use-case.ts`, 3 times'],
    ])
    expect(page('Review', 'About.', [hot, together, decisions(directory, new Date())])).toMatch(
      /^# Review\n\nAbout.\n\n## To decide\n\n- `packages\/domains\/orders\/src\/use-case.ts` has 89 % of the heat of 3 files: .*\(\[Hotspots\]\(#hotspots\)\)\n- catalog with orders: changed together .*\n\n## Hotspots\n/,
    )
  })

  it('does not take what is changed everywhere at once for one thing', () => {
    const file = (domain: string, n: number) => `packages/domains/${domain}/src/${n}.ts`
    const together = changedTogether([1, 2, 3].map((n) => [file('orders', n), file('catalog', n)]))
    expect(together.rows).toEqual([['catalog, orders', 3, '100 %', 'no two files three times']])
    expect(together.finding).toBe(false)
    expect(page('Review', '', [together])).toContain('## To decide\n\nNothing asks for a decision.\n')
  })

  it('names the decisions that are due', () => {
    write('docs/decisions/0001-old.md', '# 1. Old\n\n## When to revisit\n\nRevisit by 2026-06-30.\n')
    write('docs/decisions/0002-new.md', '# 2. New\n\n## When to revisit\n\nRevisit by 2027-06-30.\n')
    write('docs/decisions/0003-none.md', '# 3. None\n')
    const due = decisions(directory, new Date('2026-11-25'))
    expect(due.finding).toBe('Decisions to look at again: 2')
    expect(due.rows).toEqual([
      ['[1. Old](docs/decisions/0001-old.md)', '2026-06-30'],
      ['[3. None](docs/decisions/0003-none.md)', 'names no date'],
    ])
    rmSync(join(directory, 'docs/decisions/0003-none.md'))
    const none = decisions(directory, new Date('2026-05-25'))
    expect([none.rows, none.otherwise, none.finding]).toEqual([
      [],
      'None of 2 is; the first will be on 2026-06-30.',
      false,
    ])
  })

  it('names the flags whose time comes before the next review', () => {
    const flag = (key: string, expires: string | null) => [
      key,
      { key, kind: 'release', owner: 'orders', since: '2026-11-01', expires },
    ]
    const registry: FlagRegistry = new Map([
      flag('old', '2026-10-01'),
      flag('soon', '2027-01-01'),
      flag('later', '2027-06-01'),
      flag('never', null),
    ] as never)
    const section = flags(registry, new Date('2026-11-25'))
    expect(section.rows.map(([key, , , , until]) => [key, until])).toEqual([
      ['old', 'STALE since 2026-10-01'],
      ['soon', 'until 2027-01-01'],
      ['later', 'until 2027-06-01'],
    ])
    expect(section.finding).toMatch(/^old, soon: no longer needed within 90 days/)
  })

  it('says which dependencies are behind, or that nobody could be asked', async () => {
    const found = {
      near: { current: '1.0.0', wanted: '1.0.0', latest: '1.2.0' },
      '@a/far': { wanted: '1.0.0', latest: '2.0.0' },
      '@a/far@1.0.0 (dev)': { wanted: '1.0.0', latest: '2.0.0' },
      other: { current: '1.0.0', wanted: '1.0.0', latest: '1.0.1' },
    }
    const { rows, finding } = await dependencies(async () => JSON.stringify(found))
    expect(rows).toEqual([
      ['@a/far', '1.0.0', '2.0.0'],
      ['2 within their major version', '', 'near, other'],
    ])
    expect(finding).toMatch(/^A major version behind: @a\/far\./)
    const section = await dependencies(() => Promise.reject(new Error('no network')))
    expect(markdown(section)).toContain('The registry could not be asked: no network')
  })

  it('cannot be broken out of its tables', () => {
    const section = { title: 'T', reading: 'R', columns: ['a'], rows: [['x | y\nz']], otherwise: '' }
    expect(markdown(section)).toBe('## T\n\nR\n\n| a |\n| - |\n| x \\| y z |\n')
  })
})

const installed = spawnSync('prometheus', ['--version']).status === 0
if (!installed) console.warn('Skipped: what Prometheus tells the review. Debian’s package prometheus is not installed.')

describe.skipIf(!installed)('the review of a product that Prometheus watches', () => {
  it('tells load, latency, errors and cost by domain and by plan, and who is chatty', async () => {
    const port = await freePort(39_090, [])
    const storage = join(directory, 'tsdb')
    write('measured.txt', measured())
    write('prometheus.yml', '')
    execFileSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', 'measured.txt', storage], {
      cwd: directory,
      stdio: 'pipe',
    })
    const server = spawn(
      'prometheus',
      ['--config.file=prometheus.yml', `--storage.tsdb.path=${storage}`, `--web.listen-address=127.0.0.1:${port}`],
      { cwd: directory, stdio: 'ignore' },
    )
    try {
      const url = `http://127.0.0.1:${port}`
      for (
        let tries = 0;
        !(await fetch(`${url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        ));
        tries++
      ) {
        if (tries > 200) throw new Error('Prometheus does not start.')
        await sleep(50)
      }
      const [byDomain, byPlan, chatty] = await pressure(prometheus(url), '1h')
      expect(byDomain!.rows).toEqual([
        ['orders', '2.00', '+0 %', '480 ms', '10 %', '90 %'],
        ['catalog', '1.00', '+0 %', '95 ms', '0.00 %', '10 %'],
      ])
      expect([byDomain!.finding, chatty!.finding]).toEqual([
        'orders takes 90 % of the working time; more than 1 % fails: orders',
        'orders: asked, or asking, one by one',
      ])
      expect(byPlan!.rows).toEqual([
        ['pro', '2.00', '+0 %', '480 ms', '10 %', '90 %'],
        ['free', '1.00', '+0 %', '95 ms', '0.00 %', '10 %'],
      ])
      expect(chatty!.rows).toEqual([
        ['orders', '2.0', '6.0'],
        ['catalog', '1.0', '1.0'],
      ])
    } finally {
      server.kill()
      await once(server, 'exit')
    }
  })
})

/** Three hours of a product in which orders is called twice a second by tenants of the plan pro, and catalog once by others; each value a minute apart. */
function measured(): string {
  const lines = [
    '# TYPE rpc_server_call_duration histogram',
    '# TYPE db_client_operation_duration histogram',
    '# TYPE graphql_server_operation_duration histogram',
  ]
  const now = Math.floor(Date.now() / 1_000)
  for (let at = 0; at <= 180; at++) {
    const time = now - (180 - at) * 60
    const series = (name: string, labels: string, perSecond: number) =>
      lines.push(`${name}{${labels}} ${perSecond * at * 60} ${time}`)
    const calls = (domain: string, plan: string, error: string, perSecond: number, seconds: number, bound: number) => {
      const labels = `domain="${domain}",tenant_plan="${plan}"${error}`
      for (const le of [0.1, 0.5, '+Inf'])
        series(
          'rpc_server_call_duration_bucket',
          `${labels},le="${le}"`,
          le === '+Inf' || Number(le) >= bound ? perSecond : 0,
        )
      series('rpc_server_call_duration_sum', labels, perSecond * seconds)
      series('rpc_server_call_duration_count', labels, perSecond)
    }
    calls('orders', 'pro', '', 1.8, 0.45, 0.5)
    calls('orders', 'pro', ',error_type="UNAVAILABLE"', 0.2, 0.45, 0.5)
    calls('catalog', 'free', '', 1, 0.1, 0.1)
    series('db_client_operation_duration_count', 'domain="orders"', 12)
    series('db_client_operation_duration_count', 'domain="catalog"', 1)
    series('graphql_server_operation_duration_count', 'tenant_plan="pro"', 1)
  }
  return `${grouped(lines).join('\n')}\n# EOF\n`
}

/** OpenMetrics wants the lines of a metric together. */
function grouped(lines: readonly string[]): string[] {
  const nameOf = (line: string) => /^(?:# TYPE )?(\w+?)(?:_bucket|_sum|_count)?[ {]/.exec(line)![1]!
  return [...new Set(lines.map(nameOf))].flatMap((name) => lines.filter((line) => nameOf(line) === name))
}
