import type { LaneLease, Lanes } from '@offshoot/data'
import { purge, type ScheduledWork } from '@offshoot/events/runtime'
import type { TenantId } from '@offshoot/rpc'
import type { Domain, Platform, Schedule } from './domain.ts'
import type { SystemAccess } from './system-access.ts'

interface Surroundings {
  lanes: Lanes<any>
  system: SystemAccess
  platform: Platform
  /** For how many days events are kept. */
  keepDays: number
}

/** What the clock starts for a domain: its own schedules, and the one that forgets old events. */
export function scheduledWork(domain: Domain, surroundings: Surroundings): ScheduledWork[] {
  const { schedules = [], emits, handlers } = domain.definition
  const work = schedules.map((schedule) => ({
    name: `${domain.name}.${schedule.name}`,
    cron: schedule.cron,
    run: () => runOnce(schedule, surroundings),
  }))
  if (emits || handlers) work.push(forgetOldEvents(domain, surroundings))
  return work
}

async function runOnce(schedule: Schedule<any>, { lanes, system, platform }: Surroundings): Promise<void> {
  const leases: LaneLease<any>[] = []
  let over = false
  function enter(tenant: TenantId) {
    if (over) throw new Error(`This run of ${schedule.name} is over. Await everything before it ends.`)
    const lease = lanes.open(tenant)
    leases.push(lease)
    return lease.lane
  }
  try {
    await schedule.run({ platform, global: lanes.global, system: await system.client(), enter })
  } finally {
    over = true
    for (const lease of leases) lease.close()
  }
}

function forgetOldEvents({ name }: Domain, { system, platform, keepDays }: Surroundings): ScheduledWork {
  return {
    name: `${name}.forget-old-events`,
    cron: '10 3 * * *',
    async run() {
      const pool = await system.pool()
      const rows = await purge(pool(`events older than ${keepDays} days are forgotten`), name, keepDays)
      platform.log.info({ domain: name, rows }, 'old events were forgotten')
    },
  }
}
