import type { TenantId } from '@offshoot/rpc'
import type { Types } from '@prisma/client/runtime/client'

/** What a generated PrismaClient offers that would leave the tenant, the unit of work or bound parameters. A lane does not have it. */
type Withheld =
  | '$connect'
  | '$disconnect'
  | '$on'
  | '$use'
  | '$extends'
  | '$transaction'
  | '$queryRawUnsafe'
  | '$executeRawUnsafe'
  | '$parent'

type Model = { findFirst(args?: any): any }

type WithLock<Delegate> = Delegate & {
  /**
   * Reads the row with this id and locks it until the transaction ends (`SELECT … FOR UPDATE`), so that two who change the same
   * thing meet here; null when the tenant has no such row. Only inside a transaction.
   */
  lock(id: string): Promise<Types.Public.Result<Delegate, Record<never, never>, 'findFirst'>>
}

/** An event that happened, as `emit` writes it to the outbox. */
export interface Emission {
  /** `orders.OrderPlaced` */
  readonly type: string
  /** Of the type's schema. */
  readonly version: number
  /** What it is about: `order/0198…`. Events of one aggregate are handled in the order in which they were emitted. */
  readonly aggregate: string
  readonly data: unknown
}

/** The models of a generated client, for one tenant. `where: { id }` suffices for unique look-ups, and `data` need not name the tenant: the lane adds it. */
export type LaneTables<Client> = {
  [K in keyof Omit<Client, Withheld>]: Client[K] extends Model ? WithLock<Client[K]> : Client[K]
} & {
  readonly tenant: TenantId
}

export type LaneTransaction<Client> = LaneTables<Client> & {
  /** Tells other domains what happened. The event is written with the commit of this transaction, and only then; data that do not fit its schema throw. */
  emit<Data>(event: { prepare(data: Data): Emission }, data: Data): void
}

export interface TransactionOptions {
  isolation?: 'ReadCommitted' | 'RepeatableRead' | 'Serializable'
}

/**
 * A database handle for one tenant and one unit of work. It cannot see or write another tenant's rows (every statement names the
 * tenant, and row security refuses the rest), and it is revoked when the unit of work ends: whatever still holds it then gets an
 * error, never somebody else's rows.
 */
export type Lane<Client> = LaneTables<Client> & {
  /** Runs `work` in one transaction; commits when it resolves, rolls back when it throws. No contract may be called inside. */
  transaction<T>(work: (tx: LaneTransaction<Client>) => Promise<T>, options?: TransactionOptions): Promise<T>
}
