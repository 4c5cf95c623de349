import { type TestDatabase, testDatabase } from '@offshoot/data/testing'
import { traceparentOf } from '@offshoot/telemetry'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { runNow, type ScheduledWork, type Schedules, startSchedules } from '../src/schedules.ts'
import { pause, until } from './shop.ts'

let database: TestDatabase
let clock: PgBoss
const logged: string[] = []
const log = { info() {}, warn() {}, error: (_: object, message: string) => void logged.push(message) }

beforeAll(async () => {
  database = await testDatabase([])
  clock = new PgBoss({
    connectionString: database.urls.events!.serving,
    schema: 'jobs',
    schedule: false,
    supervise: false,
  })
  clock.on('error', () => {})
  await clock.start()
})
afterAll(async () => {
  await clock.stop()
  await database.drop()
})

/** A process whose clock is looked at each second. */
const start = (...work: ScheduledWork[]): Promise<Schedules> =>
  startSchedules({ url: database.urls.events!.serving, work, domains: ['shop'], log, every: 1 })

/** Never by itself while the test runs. */
const never = '0 0 29 2 *'
/** What the clock does at a tick. */
const tick = (name: string) => clock.send(name)

describe('a schedule', () => {
  it('runs once per tick, however many processes there are', async () => {
    const minutes: number[] = []
    const work = {
      name: 'shop.count',
      cron: '* * * * *',
      run: async () => void minutes.push(Math.floor(Date.now() / 60_000)),
    }
    const processes = await Promise.all([start(work), start(work), start(work)])
    await until(() => minutes.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(minutes.length).toBe(new Set(minutes).size)
    await Promise.all(processes.map((one) => one.stop()))
  })

  it('is not run a second time while it runs', async () => {
    let running = 0
    let runs = 0
    let end = () => {}
    const work = {
      name: 'shop.slow',
      cron: never,
      async run() {
        runs++
        running++
        await new Promise<void>((resolve) => (end = resolve))
        running--
      },
    }
    const processes = await Promise.all([start(work), start(work)])
    await tick(work.name)
    await until(() => running === 1)
    expect(await tick(work.name)).toBeNull()
    end()
    await until(() => running === 0)
    await until(async () => (await tick(work.name)) !== null)
    await until(() => running === 1)
    expect(runs).toBe(2)
    end()
    await Promise.all(processes.map((one) => one.stop()))
  })

  it('that throws is logged and tried again at the next tick, not before', async () => {
    let runs = 0
    const work = {
      name: 'shop.failing',
      cron: never,
      async run() {
        if (++runs === 1) throw new Error('of a customer with an address')
      },
    }
    const process = await start(work)
    await tick(work.name)
    await until(() => logged.length > 0)
    expect(logged).toEqual(['a scheduled run failed; the next tick tries again'])
    await until(async () => (await tick(work.name)) !== null)
    await until(() => runs === 2)
    await process.stop()
    const [{ kept }] = (await database.admin(`SELECT string_agg(output::text, ' ') AS kept FROM jobs.job`)) as [
      { kept: string },
    ]
    expect(kept).not.toContain('customer')
  })

  it('is a span with all that it does, and its duration is measured, in vain or not', async () => {
    const recording = recordTelemetry()
    onTestFinished(() => recording.stop())
    recording.reset()
    const within: (string | undefined)[] = []
    const work = {
      name: 'shop.observed',
      cron: never,
      async run() {
        within.push(traceparentOf())
        if (within.length === 1) throw new TypeError('not today')
      },
    }
    await expect(runNow(work, () => within.push(traceparentOf()))).rejects.toThrow('not today')
    await runNow(work)

    const runs = recording.spans().filter(({ name }) => name === 'run shop.observed')
    const attributes = { domain: 'shop', 'offshoot.schedule': 'shop.observed' }
    expect(runs).toMatchObject([
      { name: 'run shop.observed', attributes: { ...attributes, 'error.type': 'TypeError' }, status: { code: 2 } },
      { name: 'run shop.observed', attributes, status: { code: 0 } },
    ])
    expect(within.map((traceparent) => traceparent?.split('-')[2])).toEqual(
      [0, 0, 1].map((n) => runs[n]!.spanContext().spanId), // a failure is logged within
    )
    expect((await recording.metrics())['offshoot.schedule.duration']).toMatchObject([
      { labels: { ...attributes, 'error.type': 'TypeError' }, value: { count: 1 } },
      { labels: attributes, value: { count: 1 } },
    ])
  })

  it('that its domain no longer has is forgotten; another domain’s is not', async () => {
    const run = async () => {}
    await (await start({ name: 'shop.old', cron: never, run })).stop()
    await clock.createQueue('elsewhere.old')
    await clock.schedule('elsewhere.old', never)
    await (await start({ name: 'shop.new', cron: never, run })).stop()
    const names = (await clock.getSchedules()).map(({ name }) => name)
    expect(names.filter((name) => name.endsWith('.old') || name.endsWith('.new')).sort()).toEqual([
      'elsewhere.old',
      'shop.new',
    ])
  })

  it('goes on after the database was away', async () => {
    let runs = 0
    const process = await start({ name: 'shop.steady', cron: never, run: async () => void runs++ })
    for (let time = 0; time < 3; time++) {
      await database.admin(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'offshoot schedules'`,
      )
      await pause(50)
    }
    await tick('shop.steady')
    await until(() => runs === 1)
    await process.stop()
  })

  it('leaves no connection behind when its process stops', async () => {
    await (await start({ name: 'shop.short', cron: never, run: async () => {} })).stop()
    await until(async () => {
      const [{ count }] = (await database.admin(
        `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'offshoot schedules'`,
      )) as [{ count: number }]
      return count === 0
    })
  })

  it('must have a name of its own and five fields', async () => {
    const run = async () => {}
    await expect(start({ name: 'shop.a', cron: never, run }, { name: 'shop.a', cron: never, run })).rejects.toThrow(
      'two schedules named shop.a',
    )
    await expect(start({ name: 'shop.a', cron: '* * * * * *', run })).rejects.toThrow('five fields')
  })

  it('is refused where nobody has migrated', async () => {
    await database.admin('UPDATE jobs.version SET version = 1')
    await expect(start()).rejects.toThrow('npm run db:migrate')
    await database.admin('UPDATE jobs.version SET version = 999')
    await (await start()).stop() // a newer one will do
  })
})
