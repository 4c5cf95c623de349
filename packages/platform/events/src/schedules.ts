import { jobsSchema, jobsVersion } from '@offshoot/data/migrate'
import { errorType, inSpan, record } from '@offshoot/telemetry'
import pg from 'pg'
import type { PgBoss } from 'pg-boss'
import type { HandlerLog } from './handler.ts'

/** Work that the clock starts. */
export interface ScheduledWork {
  /** `orders.finish-stuck-orders`: the domain's name, a point, and what is done. It is what the clock knows it by. */
  name: string
  /** Five fields, in UTC. */
  cron: string
  run(): Promise<void>
}

export interface SchedulesOptions {
  /** The URL of the role that carries events, in whose database the clock is kept: there domains meet, whatever carries their events. */
  url: string
  work: readonly ScheduledWork[]
  /** The domains that this process hosts. Schedules of theirs that no longer exist are forgotten. */
  domains: readonly string[]
  log: HandlerLog
  /** How often the clock is looked at, in seconds. Default 15. */
  every?: number
}

export interface Schedules {
  /** Resolves when no run is under way any more; one that takes more than 10 s longer counts as failed. */
  stop(): Promise<void>
}

/** How long a run may take, in seconds. */
const longestRun = 60 * 60
/** A run whose process shows no sign of life for this long is over, in seconds; the next tick may start another. */
const signOfLife = 30

/**
 * Does work by the clock: once per tick, however many processes there are, and never twice at the same time. A tick while the last run is under way is passed over.
 * A run that throws is logged; the next tick tries again. So is a run whose process died.
 */
export async function startSchedules({ url, work, domains, log, every = 15 }: SchedulesOptions): Promise<Schedules> {
  const names = new Set<string>()
  for (const { name, cron } of work) {
    if (names.has(name)) throw new Error(`There are two schedules named ${name}.`)
    if (cron.trim().split(/\s+/).length !== 5) throw new Error(`The schedule ${name} needs five fields, not '${cron}'.`)
    names.add(name)
  }
  await assertInstalled(url)
  const pgBoss = await import('pg-boss') // takes a tenth of a second to load; tests have no clock
  const boss = new pgBoss.PgBoss({
    connectionString: url,
    application_name: 'offshoot schedules',
    schema: jobsSchema,
    max: 2,
    connectionTimeoutMillis: 5_000,
    cronMonitorIntervalSeconds: every,
    cronWorkerIntervalSeconds: Math.min(every, 2),
    registerInstance: false,
  })
  let reported = 0
  boss.on('error', (error) => {
    if (Date.now() - reported < 60_000) return
    reported = Date.now()
    log.error({ err: error }, 'the clock does not work at the moment; trying again')
  })
  boss.on('warning', (warning) => log.warn({ warning }, 'a warning of the clock'))

  try {
    await boss.start()
    await forgetOthers(boss, names, domains)
    const begin = async (one: ScheduledWork) => {
      const { name, cron } = one
      await boss.createQueue(name, {
        policy: 'exclusive',
        retryLimit: 0,
        expireInSeconds: longestRun,
        heartbeatSeconds: signOfLife,
        retentionSeconds: 60 * 60,
        deleteAfterSeconds: 24 * 60 * 60,
      })
      await boss.work(name, { pollingIntervalSeconds: Math.min(every, 2) }, async () => {
        const failed = (error: unknown) =>
          log.error({ err: error, schedule: name }, 'a scheduled run failed; the next tick tries again')
        await runNow(one, failed).catch(() => {
          throw new Error('See the log.') // what is kept in the database holds nothing of it
        })
      })
      await boss.schedule(name, cron)
    }
    await Promise.all(work.map(begin))
  } catch (error) {
    await boss.stop({ graceful: false })
    throw error
  }
  return { stop: () => boss.stop({ timeout: 10_000 }) }
}

/** Does scheduled work, whatever the clock says. `onFailed` is called within the run's span. */
export async function runNow({ name, run }: ScheduledWork, onFailed?: (error: unknown) => void): Promise<void> {
  const domain = name.split('.', 1)[0]!
  const attributes = { 'offshoot.schedule': name, domain }
  const began = performance.now()
  const took = (failure: { 'error.type'?: string }) =>
    record('offshoot.schedule.duration', (performance.now() - began) / 1_000, { ...attributes, ...failure })
  await inSpan('schedule.run', `run ${name}`, { attributes }, async () => {
    try {
      await run()
      took({})
    } catch (error) {
      took({ 'error.type': errorType(error) })
      onFailed?.(error)
      throw error
    }
  })
}

/** Tables of a newer version will do: during a deployment the database is ahead of the processes. */
async function assertInstalled(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, statement_timeout: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ version: number }>(`SELECT version FROM ${jobsSchema}.version`)
    if (rows[0] && rows[0].version >= jobsVersion) return
  } catch (error) {
    if (!['42P01', '3F000'].includes((error as pg.DatabaseError).code ?? '')) throw error
  } finally {
    await client.end().catch(() => {})
  }
  throw new Error('The database of EVENTS_DATABASE_URL does not have what the clock needs. Run: npm run db:migrate')
}

async function forgetOthers(boss: PgBoss, names: ReadonlySet<string>, domains: readonly string[]): Promise<void> {
  for (const { name } of await boss.getSchedules()) {
    if (names.has(name) || !domains.includes(name.split('.', 1)[0]!)) continue
    await boss.unschedule(name)
    await boss.deleteQueue(name)
  }
}
