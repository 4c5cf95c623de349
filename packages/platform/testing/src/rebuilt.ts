import { openLanes } from '@offshoot/data'
import { openSystemPool, type SystemPool } from '@offshoot/data/system'
import { longestRebuild, rebuild } from '@offshoot/events/runtime'
import type { Domain } from '@offshoot/host'
import type { TestApp } from './app.ts'

/** Builds a domain's projections again from the events that are kept, as `npm run events -- rebuild` does. Returns how many events of how many tenants it were. */
export async function rebuilt(
  { database, platform }: TestApp,
  domain: Domain,
): Promise<{ tenants: number; events: number }> {
  const { definition, name } = domain
  const [handler, ...others] = (definition.handlers?.(platform) ?? []).filter(({ rebuild }) => rebuild)
  if (!handler || others.length > 0)
    throw new Error(`${name} has ${others.length > 0 ? 'several projections' : 'no projection'}.`)
  const lanes = await openLanes<any>({
    url: database.urls[name]!.serving,
    schema: name,
    prisma: definition.prisma,
    transactionTimeout: longestRebuild,
  })
  const opened: SystemPool[] = []
  try {
    return await rebuild({
      domain: name,
      handler,
      lanes,
      async historyOf(source) {
        const system = await openSystemPool({
          url: database.urls[source]!.system,
          schema: source,
          connections: 2,
          audit() {},
        })
        opened.push(system)
        return system('a projection is rebuilt')
      },
      log: platform.log,
    })
  } finally {
    await Promise.all(opened.map((system) => system.close()))
    await lanes.close()
  }
}
