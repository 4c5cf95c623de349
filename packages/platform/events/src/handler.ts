import type { Lane, LaneTransaction } from '@offshoot/data'
import type { Client, Contract, TenantId } from '@offshoot/rpc'
import type { EventType } from './event.ts'

/** An event as a handler gets it. */
export interface Received<Data = unknown> {
  id: string
  type: string
  /** RFC 3339, when it was emitted. */
  time: string
  tenant: TenantId
  data: Data
}

/** What a handler gets: the transaction in which its effects and the note that the event was handled commit together. */
export interface HandlerContext<PrismaClient> {
  /** The consumer's own data, for the event's tenant; `tx.emit` tells others. Effects elsewhere are not covered by it. */
  readonly tx: LaneTransaction<PrismaClient>
  readonly tenant: TenantId
  readonly log: HandlerLog
}

/** What a reaction may ask other domains before its transaction begins. */
export interface PreparationContext<PrismaClient, Uses extends Record<string, Contract>> {
  /** The consumer's own data, outside of the transaction that follows. */
  readonly db: Lane<PrismaClient>
  /** Reads only: whoever handles an event acts for no user. */
  readonly clients: { readonly [K in keyof Uses]: Client<Uses[K]> }
  readonly tenant: TenantId
  readonly log: HandlerLog
}

export interface HandlerLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** What a domain does when an event arrives. */
export interface Reaction {
  readonly event: EventType
  readonly prepare?: (context: PreparationContext<any, any>, event: Received<any>) => Promise<unknown>
  readonly handle: (context: HandlerContext<any>, event: Received<any>, prepared: any) => Promise<void>
}

export interface HandlerOptions {
  /** How often an event is tried before it is dead. Default 10. */
  attempts?: number
  /** How long one attempt may take, in ms. Default 10,000. */
  timeout?: number
  /** While it says so for a tenant, that tenant's events wait: none is tried, no attempt counts, and they go on within a second after. Asked again and again. */
  holds?(tenant: TenantId): boolean
  /** For handlers that keep a projection: it can then be built again from history, by `npm run events -- rebuild`. See `Rebuildable`. */
  rebuild?: Rebuildable
}

/**
 * How a projection is built again: `forget` deletes what the handler has written for the tenant of the transaction, and nothing else; then the handler gets every
 * event that is kept, in the same transaction. So it must write only its own tables, emit nothing, and have no reactions that are prepared.
 */
export interface Rebuildable {
  forget(tx: LaneTransaction<any>): Promise<void>
}

/** A named handler: it handles each event that it reacts to once, those of one aggregate in their order. The name is for good: it is what was handled is remembered by. */
export interface Handler {
  readonly name: string
  readonly reactions: readonly Reaction[]
  /** Set for handlers that take many events at once. */
  readonly batch?: (context: HandlerContext<any>, events: Received<any>[]) => Promise<void>
  readonly attempts: number
  readonly timeout: number
  readonly holds?: (tenant: TenantId) => boolean
  readonly rebuild?: Rebuildable
}

/** `on(OrderPlaced, async ({ tx }, { data }) => …)`: the effects commit together with the note that the event was handled. */
export function on<Data, PrismaClient>(
  event: EventType<Data>,
  handle: (context: HandlerContext<PrismaClient>, event: Received<Data>) => Promise<void>,
): Reaction {
  return { event, handle }
}

/**
 * The same for a reaction that needs to ask or to tell somebody else: `prepare` runs before the transaction, `handle` gets its answer. Whatever `prepare` does may be
 * done again, since the process may die before the commit: have it recognised there, by the event's id.
 */
export function onPrepared<Data, PrismaClient, Uses extends Record<string, Contract>, Prepared>(
  event: EventType<Data>,
  prepare: (context: PreparationContext<PrismaClient, Uses>, event: Received<Data>) => Promise<Prepared>,
  handle: (context: HandlerContext<PrismaClient>, event: Received<Data>, prepared: Prepared) => Promise<void>,
): Reaction {
  return { event, prepare: prepare as Reaction['prepare'], handle }
}

const defaults = { attempts: 10, timeout: 10_000 }

export function handler(name: string, reactions: readonly Reaction[], options: HandlerOptions = {}): Handler {
  return { name, reactions, ...defaults, ...options }
}

/** A handler that takes up to 100 events of one tenant in one transaction, in the order of each aggregate. When it fails they are handed to it one by one. */
export function batchHandler<Data, PrismaClient>(
  name: string,
  events: readonly EventType<Data>[],
  handle: (context: HandlerContext<PrismaClient>, events: Received<Data>[]) => Promise<void>,
  options: HandlerOptions = {},
): Handler {
  const one = (event: EventType<Data>) =>
    on<Data, PrismaClient>(event, (context, received) => handle(context, [received]))
  return { name, reactions: events.map(one), batch: handle, ...defaults, ...options }
}
