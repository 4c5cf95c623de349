import type { Lane } from '@offshoot/data'
import type { DomainSchema } from '@offshoot/data/migrate'
import type { System, SystemClient } from '@offshoot/data/system'
import type { EventType, Handler } from '@offshoot/events'
import type { BoundFlags, Flag, Flags } from '@offshoot/flags'
import type { SchemaPart } from '@offshoot/graphql'
import type { Mailer } from '@offshoot/mail'
import type { Actions, Call, Client, Contract, Handlers, Identity, TenantId } from '@offshoot/rpc'
import type { Router } from 'express'
import type { Logger } from 'pino'

/** What a use case gets: everything it may touch, for the caller's tenant and for the time of the call. */
export interface DomainContext<PrismaClient, Uses extends Record<string, Contract> = Record<never, never>> {
  /** The domain's own data, the caller's tenant only. Throws for calls without a tenant (audience `user` and `edge`): see `enter`. */
  readonly db: Lane<PrismaClient>
  /** A lane for another tenant, for the few calls that make or find one. Closed with the call. */
  enter(tenant: TenantId): Lane<PrismaClient>
  /** The domain's global tables; row security refuses every tenant table through it. */
  readonly global: PrismaClient
  /** The contracts that the domain declared to use, called on the same caller's behalf and within its deadline. */
  readonly clients: { readonly [K in keyof Uses]: Client<Uses[K]> }
  /** The product's flags, for the caller's tenant and user. What a flag says first holds for the whole call. */
  readonly flags: BoundFlags
  readonly identity: Identity
  /** The tenant of the call; throws when it has none. */
  readonly tenant: TenantId
  readonly call: Call
  readonly log: Logger
}

/** What the process gives to its domains. Nothing in a domain knows where it runs. */
export interface Platform {
  /** The secret of this installation; derive keys from it by purpose, never use it as it is. */
  secret: string
  /** Where people reach the product, without a trailing slash: `http://localhost:4000`. */
  publicUrl: string
  production: boolean
  mailer: Mailer
  /** For what is no call: handlers and schedules ask for a tenant. A use case has its own, `ctx.flags`. */
  flags: Flags
  /** The actions of all contracts that this product has, hosted here or not. */
  actions: Actions
  log: Logger
}

/** What a domain's own routes, and other things outside of a call, may use. */
export interface DomainRuntime<PrismaClient> {
  platform: Platform
  global: PrismaClient
}

export interface DomainDefinition<C extends Contract, PrismaClient, Uses extends Record<string, Contract>> {
  contract: C
  /** Where the domain's tables are described. */
  data: Omit<DomainSchema, 'name'>
  /** Makes the generated client on the adapter that binds it to a tenant. */
  prisma: (adapter: any) => PrismaClient
  /** Contracts of other domains that the use cases call. */
  uses?: Uses
  calls: (platform: Platform) => Handlers<C, DomainContext<PrismaClient, Uses>>
  /** What can be switched in it while it runs. Nothing else can be asked for. */
  flags?: readonly Flag[]
  /** Its part of the public schema. */
  graphql?: SchemaPart
  /** The events that its use cases and handlers emit, as its contract declares them. */
  emits?: readonly EventType[]
  /** What it does when events arrive. */
  handlers?: (platform: Platform) => readonly Handler[]
  /** Processes over several domains that begin here, by their names. */
  sagas?: Record<string, Saga<PrismaClient>>
  /** Work that nobody asks for. */
  schedules?: readonly Schedule<PrismaClient>[]
  /** HTTP routes that the gateway mounts at `path`, before any body parser. */
  routes?: { path: string; router: (runtime: DomainRuntime<PrismaClient>) => Router }
  /** Demo data for development and tests: deterministic and idempotent. Runs in the order in which the domains are listed. */
  seed?: (seeding: Seeding<PrismaClient>) => Promise<void>
}

/** Finds how many are open, of all tenants, and when the oldest of them began. Asked whenever somebody collects metrics: an index must answer it. */
export type Saga<PrismaClient> = (client: SystemClient<PrismaClient>) => Promise<{ open: number; since: Date | null }>

/** Work that is done by the clock, once per tick however many processes there are. Never twice at the same time: a tick during a run is passed over. */
export interface Schedule<PrismaClient> {
  /** Unique within the domain, and for good: it is what the clock knows it by. */
  name: string
  /** Five fields: minute, hour, day of month, month, day of week; in UTC. */
  cron: string
  /** When it throws, that is logged, and the next tick tries again. It may be ended at any point and must cope with what it left. */
  run(context: ScheduleContext<PrismaClient>): Promise<void>
}

export interface ScheduleContext<PrismaClient> extends DomainRuntime<PrismaClient> {
  /** The domain's tables of all tenants; the reason goes on record. */
  system: System<PrismaClient>
  /** A lane for one tenant. */
  enter(tenant: TenantId): Lane<PrismaClient>
}

export interface Seeding<PrismaClient> extends DomainRuntime<PrismaClient> {
  enter(tenant: TenantId): Lane<PrismaClient>
}

export interface Domain {
  readonly name: string
  readonly contract: Contract
  readonly data: DomainSchema
  readonly definition: DomainDefinition<any, any, any>
}

/** Declares a domain: the wiring of its contract, data, use cases and schema, readable in one screen. */
export function defineDomain<
  C extends Contract,
  PrismaClient,
  Uses extends Record<string, Contract> = Record<never, never>,
>(definition: DomainDefinition<C, PrismaClient, Uses>): Domain {
  const { contract } = definition
  return { name: contract.name, contract, data: { name: contract.name, ...definition.data }, definition }
}
