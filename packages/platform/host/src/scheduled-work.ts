import type { LaneLease, Lanes } from '@offshoot/data'
import { purge, type ScheduledWork } from '@offshoot/events/runtime'
import type { Domain, Platform } from './domain.ts'
import type { SystemAccess } from './system-access.ts'

/** What the clock starts for a domain: its own schedules, and the one that forgets old events. */
export function scheduledWork(
  domain: Domain,
  lanes: Lanes<any>,
  system: SystemAccess,
  platform: Platform,
  keepDays: number,
): ScheduledWork[] {
  const { schedules = [], emits, handlers } = domain.definition
  const work = schedules.map(
    ({ name, cron, run }): ScheduledWork => ({
      name: `${domain.name}.${name}`,
      cron,
      async run() {
        const leases: LaneLease<any>[] = []
        try {
          await run({
            platform,
            global: lanes.global,
            system: await system.client(),
            enter(tenant) {
              const lease = lanes.open(tenant)
              leases.push(lease)
              return lease.lane
            },
          })
        } finally {
          for (const lease of leases) lease.close()
        }
      },
    }),
  )
  if (emits || handlers)
    work.push({
      name: `${domain.name}.forget-old-events`,
      cron: '10 3 * * *',
      async run() {
        const pool = await system.pool()
        const rows = await purge(pool(`events older than ${keepDays} days are forgotten`), domain.name, keepDays)
        platform.log.info({ domain: domain.name, rows }, 'old events were forgotten')
      },
    })
  return work
}
