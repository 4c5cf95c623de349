import type { Lanes } from '@offshoot/data'
import type { Contract, IdentityTokens, Link } from '@offshoot/rpc'
import { observe } from '@offshoot/telemetry'
import type pg from 'pg'
import { type Consumer, startConsumer } from './consumer.ts'
import { envelopeSeal } from './envelope.ts'
import type { EventType } from './event.ts'
import type { Handler, HandlerLog } from './handler.ts'
import { handlerLag, outboxLag } from './lag.ts'
import type { Loop } from './loop.ts'
import { startRelay } from './relay.ts'
import type { Transport } from './transport.ts'

export {
  type DeadLetter,
  type DeadLetterFilter,
  type DeadLetterInFull,
  discardDeadLetter,
  domainOfDeadLetter,
  findDeadLetter,
  listDeadLetters,
  newestFirst,
  replayDeadLetter,
} from './dead-letters.ts'
export { type HandlerLag, handlerLag, type OutboxLag, outboxLag } from './lag.ts'
export { type NatsTransportOptions, natsTransport } from './nats-transport.ts'
export { type OperationsContext, operationsHandlers, operationsOf } from './operations.ts'
export { type PostgresTransportOptions, postgresTransport } from './postgres-transport.ts'
export { longestRebuild, type RebuildOptions, rebuild } from './rebuild.ts'
export { purge, transportWork } from './retention.ts'
export { runNow, type ScheduledWork, type Schedules, startSchedules } from './schedules.ts'
export type { Transport } from './transport.ts'

/** A domain's part in the traffic of events. */
export interface EventDomain {
  name: string
  emits: readonly EventType[]
  handlers: readonly Handler[]
  lanes: Lanes<any>
  /** Opens connections of the domain's system role, given for a reason; `stop` closes them. */
  openSystem(): Promise<{ (reason: string): pg.Pool; close(): Promise<void> }>
  /** Contracts that preparations may read from. */
  uses: Record<string, Contract>
}

export interface EventsOptions {
  domains: readonly EventDomain[]
  transport: Transport
  secret: string
  link: Link
  tokens: IdentityTokens
  log: HandlerLog
  /** How often relays and inboxes look without being told, in ms. Default 500. */
  poll?: number
  /** How many events a domain handles at the same time in this process. Default 8. */
  concurrency?: number
  /** How long an event waits for an earlier one of its aggregate that has not come, in ms. Default 10,000. */
  longestGap?: number
  /** How long after a handler's time-out its process is taken for dead, in ms. Default 5,000. */
  leaseMargin?: number
  /** How long after its first failure an event is tried again, in ms; doubled each time, up to 5 minutes. Default 200. */
  firstRetry?: number
}

export interface EventsHealth {
  /** False also when an event has been waiting for its publication for half a minute, whatever the transport says. */
  carried: boolean
  /** How long the oldest event that is not published has waited, in seconds, by domain; null for a domain whose database does not answer. */
  lag: Record<string, number | null>
}

export interface EventsRuntime {
  /** Something was emitted by this domain: publish it now. */
  emitted(domain: string): void
  /** Whether events are carried at the moment, and how far each outbox of this process is behind. */
  health(): Promise<EventsHealth>
  stop(): Promise<void>
}

/** Publishes and handles the events of the domains of this process. Consumers are subscribed before anything is published. */
export async function startEvents(options: EventsOptions): Promise<EventsRuntime> {
  const { domains, transport, log, poll = 500, concurrency = 8, longestGap = 10_000, leaseMargin = 5_000 } = options
  const seal = envelopeSeal(options.secret)
  const trouble = (part: string) => (error: unknown | undefined) =>
    error === undefined
      ? log.info({ part }, 'works again')
      : log.error({ part, err: error }, 'does not work at the moment; trying again')

  const pools = new Map<string, pg.Pool>()
  const systems: { close(): Promise<void> }[] = []
  const consumers: Consumer[] = []
  const relays = new Map<string, Loop>()
  const gauges: (() => void)[] = []
  let stopped: Promise<void> | undefined
  async function stop(): Promise<void> {
    for (const end of gauges) end()
    await Promise.all([...relays.values()].map((relay) => relay.stop()))
    await Promise.all(consumers.map((consumer) => consumer.stop()))
    await Promise.all(systems.map((system) => system.close()))
  }

  try {
    for (const { name, emits, handlers, openSystem } of domains) {
      if (emits.length + handlers.length === 0) continue
      const system = await openSystem()
      systems.push(system)
      pools.set(name, system('publishing and handling events'))
    }
    for (const { name, handlers, lanes, uses } of domains) {
      if (handlers.length === 0) continue
      consumers.push(
        await startConsumer({
          domain: name,
          handlers,
          lanes,
          pool: pools.get(name)!,
          transport,
          seal,
          link: options.link,
          tokens: options.tokens,
          uses,
          log,
          onTrouble: (part, error) => trouble(part)(error),
          poll,
          concurrency,
          longestGap,
          leaseMargin,
          firstRetry: options.firstRetry ?? 200,
        }),
      )
    }
  } catch (error) {
    await stop()
    throw error
  }
  for (const { name, emits } of domains) {
    if (emits.length === 0) continue
    const onTrouble = trouble(`the relay of ${name}`)
    relays.set(name, startRelay({ source: name, pool: pools.get(name)!, transport, seal, poll, onTrouble }))
    gauges.push(observeOutbox(name, pools.get(name)!))
  }
  for (const { name, handlers } of domains)
    if (handlers.length > 0) gauges.push(observeInbox(name, handlers, pools.get(name)!))

  return {
    emitted(domain) {
      relays.get(domain)?.wake()
    },
    async health() {
      const lags = [...relays.keys()].map(async (name) => {
        const lag = await answer(outboxLag(pools.get(name)!, name, soon))
        return [name, lag && Number((lag.oldestSeconds ?? 0).toFixed(1))] as const
      })
      const reached = await answer(transport.ping().then(() => true))
      const lag = Object.fromEntries(await Promise.all(lags))
      return { carried: reached === true && Object.values(lag).every((seconds) => (seconds ?? 0) < tooLong), lag }
    },
    stop: () => (stopped ??= stop()),
  }
}

function observeOutbox(domain: string, pool: pg.Pool): () => void {
  return observe(['offshoot.outbox.unpublished', 'offshoot.outbox.age'], async (report) => {
    const { unpublished, oldestSeconds } = await outboxLag(pool, domain, soon)
    report('offshoot.outbox.unpublished', unpublished, { domain })
    report('offshoot.outbox.age', oldestSeconds ?? 0, { domain })
  })
}

/** Handlers for which nothing waits are told of as well: what is not told of keeps its last value. So are handlers that are gone, from when on something waited for them. */
function observeInbox(domain: string, handlers: readonly Handler[], pool: pg.Pool): () => void {
  const names = new Set(handlers.map(({ name }) => name))
  return observe(['offshoot.inbox.waiting', 'offshoot.inbox.age', 'offshoot.event.dead'], async (report) => {
    const lags = await handlerLag(pool, domain, soon)
    for (const { handler } of lags) names.add(handler)
    const byName = new Map(lags.map((lag) => [lag.handler, lag]))
    for (const name of names) {
      const lag = byName.get(name)
      const labels = { domain, 'offshoot.handler': name }
      report('offshoot.inbox.waiting', lag?.waiting ?? 0, labels)
      report('offshoot.inbox.age', lag?.oldestSeconds ?? 0, labels)
      report('offshoot.event.dead', lag?.dead ?? 0, labels)
    }
  })
}

/** In seconds. */
const tooLong = 30

/** In ms: how long whoever asks how things stand is to wait. */
const soon = 1_000

/** Null when there is none soon. */
async function answer<T>(question: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, soon, null)
  })
  return Promise.race([question.catch(() => null), timeout]).finally(() => clearTimeout(timer))
}
