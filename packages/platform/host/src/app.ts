import type { RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LaneLease, type Lanes, openLanes } from '@offshoot/data'
import {
  type EventDomain,
  type EventsHealth,
  type EventsRuntime,
  operationsOf,
  runNow,
  type ScheduledWork,
  type Schedules,
  startEvents,
  startSchedules,
  type Transport,
  transportWork,
} from '@offshoot/events/runtime'
import {
  type Call,
  type CallServer,
  type Contract,
  callListener,
  createClient,
  type Identity,
  type IdentityTokens,
  identityTokens,
  type Link,
  localLink,
  Problem,
  serve,
  type TenantId,
  type UnitOfWork,
} from '@offshoot/rpc'
import type { Router } from 'express'
import type { Domain, DomainContext, Platform } from './domain.ts'
import type { Elsewhere } from './elsewhere.ts'
import { observeSagas } from './sagas.ts'
import { scheduledWork } from './scheduled-work.ts'
import { serveOperations } from './serve-operations.ts'
import { type SystemAccess, systemAccess } from './system-access.ts'

export interface HostOptions {
  domains: readonly Domain[]
  /** The URL of each domain's serving role, by the domain's name. */
  databaseUrl(domain: string): string
  /** Without it events stay in the outbox, and nobody sees how they stand. */
  events?: {
    /** What carries them. Belongs to the caller, who closes it after the host. Without it they are published and handled, and the clock followed, by another process. */
    transport: Transport | undefined
    /** The URL of each domain's system role, which publishes and receives. */
    systemUrl(domain: string): string
    /** The URL of the role that carries events, in whose database the clock is kept. Without it nothing is done by the clock. */
    clockUrl?: string
    /** For how many days events are kept after they were published and handled. Default 365. */
    keepDays?: number
  }
  platform: Platform
  /** What other processes serve. Without it everything is here. */
  elsewhere?: Elsewhere
  /** Told of every statement that a lane sends; for tests. */
  onStatement?(sql: string, tenant: string): void
}

/** Domains, running in this process. */
export interface Host {
  /** Carries calls to these domains, and to those that other processes serve. */
  link: Link
  tokens: IdentityTokens
  /** Serves the calls of other processes to these domains. */
  calls: RequestListener
  /** The HTTP routes that domains bring along. */
  routes: { domain: string; path: string; router: Router }[]
  /** Whether each domain's database answers, by the domain's name. */
  health(): Promise<Record<string, 'up' | 'down'>>
  /** Whether events are carried, and how far behind the outboxes are; undefined where none are carried. */
  eventsHealth(): Promise<EventsHealth | undefined>
  /** Plants the domains' demo data, in the order of the domains. */
  seed(): Promise<void>
  /** Does the work of a schedule now, whatever the clock says: `orders.finish-stuck-orders`. Other processes may be doing it as well. */
  runSchedule(name: string): Promise<void>
  stop(): Promise<void>
}

/** Starts domains: opens their lanes and puts their use cases behind their contracts. Refuses a database role that could evade row security. */
export async function startDomains(options: HostOptions): Promise<Host> {
  const { domains, platform } = options
  const tokens = identityTokens(platform.secret)
  const servers = new Map<string, CallServer>()
  const local = localLink(servers)
  const link = options.elsewhere?.link(local, (domain) => servers.has(domain)) ?? local
  const opened = new Map<Domain, Lanes<any>>()
  const systems: SystemAccess[] = []
  const work: ScheduledWork[] = []
  const gauges: (() => void)[] = []
  let events: EventsRuntime | undefined
  let schedules: Schedules | undefined
  const stop = async () => {
    for (const end of gauges) end()
    await schedules?.stop()
    await events?.stop()
    await Promise.allSettled(systems.map((system) => system.close()))
    await Promise.allSettled([...opened.values()].map((lanes) => lanes.close()))
  }

  const open = async ({ name, definition }: Domain) =>
    openLanes<any>({
      url: options.databaseUrl(name),
      schema: name,
      secret: platform.secret,
      prisma: definition.prisma,
      onStatement: options.onStatement,
      onEmitted: () => events?.emitted(name),
    })

  const routes: Host['routes'] = []
  try {
    const openings = await Promise.allSettled(domains.map(open))
    for (const [i, opening] of openings.entries())
      if (opening.status === 'fulfilled') opened.set(domains[i]!, opening.value)
    for (const opening of openings) if (opening.status === 'rejected') throw opening.reason
    for (const [domain, lanes] of opened) {
      servers.set(domain.name, serveDomain(domain, lanes, { platform, tokens, link }))
      const own = domain.definition.routes
      if (own)
        routes.push({ domain: domain.name, path: own.path, router: own.router({ platform, global: lanes.global }) })
    }
    if (options.events) {
      const { transport, systemUrl, clockUrl, keepDays = 365 } = options.events
      const eventDomains: EventDomain[] = []
      for (const [domain, lanes] of opened) {
        const { name, definition } = domain
        const system = systemAccess(domain, systemUrl(name), platform)
        systems.push(system)
        servers.set(operationsOf(domain.name).name, serveOperations(domain, system, tokens, platform))
        work.push(...scheduledWork(domain, { lanes, system, platform, keepDays }))
        gauges.push(observeSagas(domain, system))
        eventDomains.push({
          name,
          lanes,
          emits: definition.emits ?? [],
          handlers: definition.handlers?.(platform) ?? [],
          uses: definition.uses ?? {},
          openSystem: system.eventsPool,
        })
      }
      if (transport)
        events = await startEvents({
          domains: eventDomains,
          transport,
          secret: platform.secret,
          link,
          tokens,
          log: platform.log,
        })
      if (transport && clockUrl)
        schedules = await startSchedules({
          url: clockUrl,
          work: [...work, ...transportWork(clockUrl, platform.log)],
          domains: [...domains.map(({ name }) => name), 'events'],
          log: platform.log,
        })
    }
  } catch (error) {
    await stop()
    throw error
  }

  return {
    link,
    tokens,
    calls: callListener(servers, tokens),
    routes,
    async health() {
      const states = domains.map(async (domain) => {
        const up = await opened
          .get(domain)!
          .ping()
          .then(
            () => true,
            () => false,
          )
        return [domain.name, up ? 'up' : 'down'] as const
      })
      return Object.fromEntries(await Promise.all(states))
    },
    eventsHealth: async () => events?.health(),
    async seed() {
      for (const domain of domains) await onceAvailable(() => seedDomain(domain, opened.get(domain)!, platform))
    },
    async runSchedule(name) {
      const found = work.find((one) => one.name === name)
      if (!found)
        throw new Error(`No domain here has the schedule ${name}: ${work.map(({ name }) => name).join(', ')}.`)
      await runNow(found)
    },
    stop,
  }
}

interface Surroundings {
  platform: Platform
  tokens: IdentityTokens
  link: Link
}

function serveDomain(domain: Domain, lanes: Lanes<any>, { platform, tokens, link }: Surroundings): CallServer {
  const { definition } = domain
  return serve({
    contract: domain.contract,
    tokens,
    handlers: definition.calls(platform),
    open: (call) => unitOfWork(call, lanes, definition.uses ?? {}, { platform, tokens, link }),
    onUnexpected: (error, { name, requestId, tenant, code }) => {
      const level = code === 'INTERNAL' ? 'error' : 'warn'
      platform.log[level]({ err: error, call: name, requestId, tenant, code }, 'a call failed unexpectedly')
    },
  })
}

function unitOfWork(
  call: Call,
  lanes: Lanes<any>,
  uses: Record<string, Contract>,
  { platform, tokens, link }: Surroundings,
): UnitOfWork<DomainContext<any, any>> {
  const { identity, deadline, requestId } = call
  const leases: LaneLease<any>[] = []
  let over = false

  /** Late work, of a handler that ran out of time, must not begin anything anew. */
  function assertUnderWay() {
    if (over) throw new Error(`${call.name} is over: nothing can be read, written or called on its behalf any more.`)
  }

  function enter(tenant: TenantId) {
    assertUnderWay()
    const lease = lanes.open(tenant)
    leases.push(lease)
    return lease.lane
  }

  function tenant(): TenantId {
    if (identity.tenant === null)
      throw new Error(
        `${call.name} is called without a tenant. Use ctx.enter(tenant) for the one that it makes or finds.`,
      )
    return identity.tenant
  }

  const caller = {
    identity,
    deadline,
    requestId,
    get signal() {
      return call.signal
    },
    assertMayCall() {
      assertUnderWay()
      if (leases.some((lease) => lease.inTransaction)) {
        throw new Error(
          `${call.name} calls another domain while a transaction is open. Call first, then begin: a call inside a transaction could not be extracted.`,
        )
      }
    },
  }

  return {
    context: {
      get db() {
        return once(this, 'db', enter(tenant()))
      },
      get clients() {
        const clients = Object.entries(uses).map(([name, contract]) => [
          name,
          createClient(contract, link, tokens, caller),
        ])
        return once(this, 'clients', Object.fromEntries(clients))
      },
      get flags() {
        const { tenant, plan } = identity
        return once(this, 'flags', platform.flags.of({ tenant, plan, user: userOf(identity) }))
      },
      get tenant() {
        return tenant()
      },
      get log() {
        return once(this, 'log', platform.log.child({ requestId, call: call.name, tenant: identity.tenant }))
      },
      get global() {
        assertUnderWay()
        return lanes.global
      },
      enter,
      identity,
      call,
    },
    close() {
      over = true
      for (const lease of leases) lease.close()
    },
  }
}

/** Who is behind a call: a key acts for whoever made it. */
function userOf({ actor }: Identity): string | null {
  if (actor.kind === 'user') return actor.id
  return actor.kind === 'key' ? actor.user : null
}

/** Keeps what a getter made: most calls need few parts of their context, and each is made when it is first asked for. */
function once<T>(target: object, property: string, value: T): T {
  Object.defineProperty(target, property, { value })
  return value
}

/** How long a start waits for a database that has more to do than it can, in ms: as long as for one that does not answer. */
const longestStart = 30_000

/** Begins again while what it needs is not available. */
async function onceAvailable(work: () => Promise<void>): Promise<void> {
  for (const end = Date.now() + longestStart; ; await sleep(500)) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'UNAVAILABLE') || Date.now() > end) throw error
    }
  }
}

async function seedDomain({ definition }: Domain, lanes: Lanes<any>, platform: Platform): Promise<void> {
  if (!definition.seed) return
  const leases: LaneLease<any>[] = []
  try {
    await definition.seed({
      platform,
      global: lanes.global,
      enter(tenant) {
        const lease = lanes.open(tenant)
        leases.push(lease)
        return lease.lane
      },
    })
  } finally {
    for (const lease of leases) lease.close()
  }
}
