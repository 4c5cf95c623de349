import { newId, type TenantId } from '@offshoot/rpc'
import { inSpan, startSpan, traceparentOf } from '@offshoot/telemetry'
import { explainPrismaFailure } from './failures.ts'
import type { Emission, Lane, LaneTransaction, TransactionOptions } from './lane.ts'
import type { Model } from './models.ts'
import { asFirst, withTenant } from './tenant-arguments.ts'
import { opening, type Statement, type TransactionConnection } from './transactions.ts'

/** One unit of work of one tenant. Dead once its lane is handed back, and dead for good. */
export interface Unit {
  readonly tenant: TenantId
  readonly alive: boolean
  /** Operations that were begun and have not settled. */
  running: number
}

export const revoked = () =>
  new Error(
    'This database handle was revoked when its unit of work ended. Await everything before a use case returns, and never keep `ctx.db`.',
  )

/** A transaction within a unit of work. Its operations are the unit's as well. */
class TransactionUnit implements Unit {
  readonly #unit: Unit
  #open = true
  #running = 0

  constructor(unit: Unit) {
    this.#unit = unit
  }

  get tenant(): TenantId {
    return this.#unit.tenant
  }

  get alive(): boolean {
    return this.#open && this.#unit.alive
  }

  get running(): number {
    return this.#running
  }

  set running(count: number) {
    this.#unit.running += count - this.#running
    this.#running = count
  }

  end(): void {
    this.#open = false
  }
}

/**
 * The handle that a unit of work gets on a client, or on a transaction of it. Prisma's own objects stay behind it: a promise of
 * Prisma's is lazy and runs when it is awaited, which may be after the unit of work has ended and the client has passed to another
 * tenant. Operations therefore begin when they are called, are counted until they settle, and are refused when the unit is over.
 *
 * Plain objects rather than `$extends`, whose models are built anew for each handle (measured: a third of the throughput).
 */
export function laneHandles<Client extends object>(
  client: Client,
  models: Models,
  domain: Domain,
): (unit: Unit) => Lane<Client> {
  defineModels(models)
  return (unit) => new Handle(client, models, unit, domain, undefined) as unknown as Lane<Client>
}

/** What a handle knows of its domain. */
export interface Domain {
  /** The domain's schema, which has the function `emit`. */
  readonly schema: string
  /** Told after the commit of a transaction that emitted something. */
  readonly onEmitted: (() => void) | undefined
  /** How long a transaction may take, in ms, when it is not the usual. */
  readonly transactionTimeout?: number | undefined
}

type Models = ReadonlyMap<string, Model>

/** Begins an operation of Prisma's now, by asking for its outcome, and counts it until that is there. */
function perform<T>(unit: Unit, work: () => PromiseLike<T>): Promise<T> {
  if (!unit.alive) return Promise.reject(revoked())
  unit.running++
  const done = (result: T): T => {
    unit.running--
    return result
  }
  const failed = (error: unknown): never => {
    unit.running--
    throw explainPrismaFailure(error)
  }
  try {
    return work().then(done, failed) as Promise<T>
  } catch (error) {
    return Promise.reject(error).then(done, failed)
  }
}

class Handle {
  readonly #client: any
  readonly #models: Models
  readonly #unit: Unit
  readonly #domain: Domain
  /** What the transaction has emitted so far; undefined outside of one. */
  readonly #emissions: Emission[] | undefined

  constructor(client: object, models: Models, unit: Unit, domain: Domain, emissions: Emission[] | undefined) {
    this.#client = client
    this.#models = models
    this.#unit = unit
    this.#domain = domain
    this.#emissions = emissions
  }

  get tenant(): TenantId {
    return this.#unit.tenant
  }

  model(property: string): ModelHandle {
    return new ModelHandle(this.#client, this.#models.get(property)!, this.#unit, this.#emissions !== undefined)
  }

  $queryRaw(query: RawQuery, ...values: unknown[]): Promise<unknown> {
    return perform(this.#unit, () => this.#client.$queryRaw(plainStatement(query), ...values))
  }

  $executeRaw(query: RawQuery, ...values: unknown[]): Promise<number> {
    return perform(this.#unit, () => this.#client.$executeRaw(plainStatement(query), ...values))
  }

  emit<Data>(event: { prepare(data: Data): Emission }, data: Data): void {
    if (!this.#emissions) {
      throw new Error(
        '`emit` works inside a transaction only: an event and the change that it tells of commit together.',
      )
    }
    if (!this.#unit.alive) throw revoked()
    this.#emissions.push(event.prepare(data))
  }

  transaction<T>(
    work: (tx: LaneTransaction<any>) => Promise<T>,
    { isolation, conclude }: TransactionOptions & Conclusion = {},
  ): Promise<T> {
    if (this.#emissions) throw new Error('A transaction is open already; use its handle.')
    const unit = new TransactionUnit(this.#unit)
    const emissions: Emission[] = []
    const opened: { connection?: TransactionConnection } = {}
    const within = async (tx: any): Promise<T> => {
      const result = await work(
        new Handle(tx, this.#models, unit, this.#domain, emissions) as unknown as LaneTransaction<any>,
      )
      if (unit.running > 0)
        throw new Error(
          'A transaction was left with operations still running, and was rolled back. Await everything inside of it.',
        )
      unit.end()
      const last: Statement[] = []
      if (emissions.length > 0) {
        const { schema } = this.#domain
        last.push([`select "${schema}".emit($1::jsonb)`, eventsJson(emissions, schema, unit.tenant)])
      }
      if (conclude) last.push(conclude())
      opened.connection!.conclude(last)
      return result
    }
    const { schema: domain, transactionTimeout: timeout = transactionLimits.timeout } = this.#domain
    const options = { maxWait: transactionLimits.maxWait, timeout, isolationLevel: isolation }
    const attributes = { domain, 'tenant.id': this.tenant }
    return inSpan('db.transaction', `transaction ${domain}`, { attributes }, () =>
      perform<T>(this.#unit, () => opening.run(opened, () => this.#client.$transaction(within, options))),
    )
      .then((result) => {
        if (emissions.length > 0) this.#domain.onEmitted?.()
        return result
      })
      .finally(() => unit.end())
  }
}

/** For the platform: what a transaction sends last, after what it emitted. */
interface Conclusion {
  conclude?(): Statement
}

/** Each event with its id, and with what leads whoever handles it back to where it was created. */
function eventsJson(emissions: readonly Emission[], domain: string, tenant: TenantId): string {
  const events = emissions.map((emission, n) => {
    const id = newId()
    const span = startSpan('event.create', `create ${emission.type}`, {
      attributes: {
        'messaging.operation.name': 'create',
        'messaging.operation.type': 'create',
        'messaging.destination.name': emission.type,
        'messaging.message.id': id,
        domain,
        'tenant.id': tenant,
      },
    })
    span.end()
    return { n, id, traceparent: traceparentOf(span), ...emission }
  })
  return JSON.stringify(events)
}

/** A tagged template's strings, or `Prisma.sql`. */
type RawQuery = TemplateStringsArray | { readonly strings: readonly string[] }

/**
 * Refuses raw SQL that would outlive its statement: connections are shared, and what changes the session (its tenant, its
 * transaction, its locks) would meet whoever comes next. A guard against mistakes; values are always bound.
 */
function plainStatement<Q extends RawQuery>(query: Q): Q {
  const strings: readonly string[] = 'strings' in query ? query.strings : query
  const sql = strings.join(' ')
  if (!/^[\s(]*(select|insert|update|delete|merge|with|values|table)\b/i.test(sql)) {
    throw new Error('A lane sends statements that read or write rows; sessions and transactions are its own business.')
  }
  if (/\bset_config\b|\bapp\s*\.\s*enter\b|\bapp\.tenant_id\b|\bpg_(try_)?advisory_lock/i.test(sql)) {
    throw new Error('This statement would change the session, which others use as well.')
  }
  return query
}

/** In ms. The call's deadline, which abandons the transaction, comes sooner. */
const transactionLimits = { maxWait: 2_000, timeout: 10_000 }

/** Every domain's models are properties of the same class; a handle's own client has the ones that work. */
function defineModels(models: Models): void {
  for (const property of models.keys()) {
    if (property in Handle.prototype) continue
    Object.defineProperty(Handle.prototype, property, {
      get(this: Handle) {
        return this.model(property)
      },
    })
  }
}

class ModelHandle {
  readonly #client: any
  readonly #model: Model
  readonly #unit: Unit
  readonly #inTransaction: boolean

  constructor(client: any, model: Model, unit: Unit, inTransaction: boolean) {
    this.#client = client
    this.#model = model
    this.#unit = unit
    this.#inTransaction = inTransaction
  }

  get fields(): unknown {
    return this.#delegate.fields
  }

  run(operation: string, args: any): Promise<unknown> {
    return perform(this.#unit, () =>
      this.#delegate[operation](withTenant(this.#model, operation, args, this.#unit.tenant)),
    )
  }

  findUnique(args: any): Promise<unknown> {
    return this.#find('findFirst', 'findUnique', args)
  }

  findUniqueOrThrow(args: any): Promise<unknown> {
    return this.#find('findFirstOrThrow', 'findUniqueOrThrow', args)
  }

  #find(first: string, unique: string, args: any): Promise<unknown> {
    return perform(this.#unit, () => {
      const changed = asFirst(this.#model, args, this.#unit.tenant)
      return changed
        ? this.#delegate[first](changed)
        : this.#delegate[unique](withTenant(this.#model, unique, args, this.#unit.tenant))
    })
  }

  get #delegate(): any {
    return this.#client[this.#model.property]
  }

  async lock(id: string): Promise<unknown> {
    const { property, table, tenant } = this.#model
    if (!this.#inTransaction)
      throw new Error('`lock` works inside a transaction only: outside of one the lock would end at once.')
    if (!tenant) throw new Error(`${property} has no tenant; \`lock\` is for tenant tables.`)
    const sql = `select from ${table} where tenant_id = $1::uuid and id = $2::uuid for update`
    const locked = await perform<number>(this.#unit, () => this.#client.$executeRawUnsafe(sql, this.#unit.tenant, id))
    return locked === 0 ? null : this.run('findFirst', { where: { id } })
  }
}

const operations = [
  'findFirst',
  'findFirstOrThrow',
  'findMany',
  'create',
  'createMany',
  'createManyAndReturn',
  'update',
  'updateMany',
  'updateManyAndReturn',
  'upsert',
  'delete',
  'deleteMany',
  'count',
  'aggregate',
  'groupBy',
]
for (const operation of operations) {
  Object.defineProperty(ModelHandle.prototype, operation, {
    value(this: ModelHandle, args: unknown) {
      return this.run(operation, args)
    },
  })
}
