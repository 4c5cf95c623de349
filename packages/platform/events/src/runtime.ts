import type { Lanes } from '@offshoot/data'
import type { Contract, IdentityTokens, Link } from '@offshoot/rpc'
import pg from 'pg'
import { type Consumer, startConsumer } from './consumer.ts'
import { envelopeSeal } from './envelope.ts'
import type { EventType } from './event.ts'
import type { Handler, HandlerLog } from './handler.ts'
import { startRelay } from './relay.ts'
import type { Transport } from './transport.ts'

export { type NatsTransportOptions, natsTransport } from './nats-transport.ts'
export { type PostgresTransportOptions, postgresTransport } from './postgres-transport.ts'
export type { Transport } from './transport.ts'

/** A domain's part in the traffic of events. */
export interface EventDomain {
  name: string
  emits: readonly EventType[]
  handlers: readonly Handler[]
  lanes: Lanes<any>
  /** The URL of the domain's system role. */
  systemUrl: string
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
}

export interface EventsRuntime {
  /** Something was emitted by this domain: publish it now. */
  emitted(domain: string): void
  stop(): Promise<void>
}

/** Publishes and handles the events of the domains of this process. Consumers are subscribed before anything is published. */
export async function startEvents(options: EventsOptions): Promise<EventsRuntime> {
  const { domains, transport, log, poll = 500, concurrency = 8 } = options
  const seal = envelopeSeal(options.secret)
  const trouble = (part: string) => (error: unknown | undefined) =>
    error === undefined
      ? log.info({ part }, 'works again')
      : log.error({ part, err: error }, 'does not work at the moment; trying again')

  const pools = new Map(
    domains.map(({ name, systemUrl }) => {
      const pool = new pg.Pool({
        connectionString: systemUrl,
        application_name: `offshoot ${name} events`,
        max: 5,
        connectionTimeoutMillis: 5_000,
        statement_timeout: 20_000,
        keepAlive: true,
      })
      pool.on('error', () => {})
      return [name, pool] as const
    }),
  )
  const consumers: Consumer[] = []
  for (const { name, handlers, lanes, uses } of domains) {
    if (handlers.length === 0) continue
    const pool = pools.get(name)!
    const { link, tokens } = options
    const onTrouble = (part: string, error: unknown | undefined) => trouble(part)(error)
    consumers.push(
      await startConsumer({
        domain: name,
        handlers,
        lanes,
        pool,
        transport,
        seal,
        link,
        tokens,
        uses,
        log,
        onTrouble,
        poll,
        concurrency,
      }),
    )
  }
  const relays = new Map(
    domains
      .filter(({ emits }) => emits.length > 0)
      .map(({ name }) => [
        name,
        startRelay({
          source: name,
          pool: pools.get(name)!,
          transport,
          seal,
          poll,
          onTrouble: trouble(`the relay of ${name}`),
        }),
      ]),
  )

  let stopped: Promise<void> | undefined
  async function stop(): Promise<void> {
    await Promise.all([...relays.values()].map((relay) => relay.stop()))
    await Promise.all(consumers.map((consumer) => consumer.stop()))
    await Promise.all([...pools.values()].map((pool) => pool.end()))
  }
  return {
    emitted(domain) {
      relays.get(domain)?.wake()
    },
    stop: () => (stopped ??= stop()),
  }
}
