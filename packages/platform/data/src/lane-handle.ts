import type { TenantId } from '@offshoot/rpc'
import type { Lane, LaneTransaction, TransactionOptions } from './lane.ts'
import { explainPrismaFailure } from './failures.ts'
import { withTenant } from './tenant-arguments.ts'

/** One unit of work of one tenant. Dead once its lane is handed back, and dead for good. */
export interface Unit {
  readonly tenant: TenantId
  alive: boolean
  /** Operations that were begun and have not settled. */
  running: number
}

export const revoked = () =>
  new Error('This database handle was revoked when its unit of work ended. Await everything before a use case returns, and never keep `ctx.db`.')

/** What a handle needs to know of the generated client: its models by property (`orderLine`), and where their rows are. */
export interface Models {
  schema: string
  /** Property → table, for models with a tenant. */
  tenant: ReadonlyMap<string, string>
  all: readonly string[]
}

interface DataModel {
  models: Record<string, { dbName: string | null; fields: { name: string }[] }>
}

export function modelsOf(client: object, schema: string): Models {
  const { _runtimeDataModel: model } = client as { _runtimeDataModel?: DataModel }
  if (!model) throw new Error('This PrismaClient does not tell its models. Check the version of @prisma/client against @offshoot/data.')
  const property = (name: string) => name[0]!.toLowerCase() + name.slice(1)
  const entries = Object.entries(model.models)
  const withTenant = entries.filter(([, { fields }]) => fields.some(({ name }) => name === 'tenantId'))
  return {
    schema,
    all: entries.map(([name]) => property(name)),
    tenant: new Map(withTenant.map(([name, { dbName }]) => [property(name), dbName ?? name])),
  }
}

/**
 * The handle that a unit of work gets on a client, or on a transaction of it. Prisma's own objects stay behind it: a promise of
 * Prisma's is lazy and runs when it is awaited, which may be after the unit of work has ended and the client has passed to another
 * tenant. Operations therefore begin when they are called, are counted until they settle, and are refused when the unit is over.
 *
 * Plain objects rather than `$extends`, whose models are built anew for each handle (measured: a third of the throughput).
 */
export function laneHandle<Client extends object>(client: Client, models: Models, unit: Unit): Lane<Client> {
  return new Handle(client, models, unit, false) as unknown as Lane<Client>
}

async function perform<T>(unit: Unit, work: () => PromiseLike<T>): Promise<T> {
  if (!unit.alive) throw revoked()
  unit.running++
  try {
    return await work()
  } catch (error) {
    throw explainPrismaFailure(error)
  } finally {
    unit.running--
  }
}

class Handle {
  readonly #client: any
  readonly #models: Models
  readonly #unit: Unit
  readonly #inTransaction: boolean
  readonly #handles = new Map<string, ModelHandle>()

  constructor(client: object, models: Models, unit: Unit, inTransaction: boolean) {
    this.#client = client
    this.#models = models
    this.#unit = unit
    this.#inTransaction = inTransaction
    if (!(models.all[0]! in this)) defineModels(models)
  }

  get tenant(): TenantId {
    return this.#unit.tenant
  }

  model(property: string): ModelHandle {
    let handle = this.#handles.get(property)
    if (!handle) {
      const table = this.#models.tenant.get(property)
      handle = new ModelHandle(this.#client, property, this.#unit, table && `"${this.#models.schema}"."${table}"`, this.#inTransaction)
      this.#handles.set(property, handle)
    }
    return handle
  }

  $queryRaw(...args: unknown[]): Promise<unknown> {
    return perform(this.#unit, () => this.#client.$queryRaw(...args))
  }

  $executeRaw(...args: unknown[]): Promise<number> {
    return perform(this.#unit, () => this.#client.$executeRaw(...args))
  }

  transaction<T>(work: (tx: LaneTransaction<any>) => Promise<T>, { isolation }: TransactionOptions = {}): Promise<T> {
    if (this.#inTransaction) throw new Error('A transaction is open already; use its handle.')
    const within = (tx: object) => work(new Handle(tx, this.#models, this.#unit, true) as unknown as LaneTransaction<any>)
    return perform(this.#unit, () => this.#client.$transaction(within, { ...transactionLimits, isolationLevel: isolation }))
  }
}

/** In ms. The call's deadline, which abandons the transaction, comes sooner. */
const transactionLimits = { maxWait: 2_000, timeout: 10_000 }

/** Every domain's models are properties of the same class; a handle's own client has the ones that work. */
function defineModels({ all }: Models): void {
  for (const property of all) {
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
  readonly #property: string
  readonly #unit: Unit
  /** Qualified and quoted; undefined for a global table. */
  readonly #table: string | undefined
  readonly #inTransaction: boolean

  constructor(client: any, property: string, unit: Unit, table: string | undefined, inTransaction: boolean) {
    this.#client = client
    this.#property = property
    this.#unit = unit
    this.#table = table
    this.#inTransaction = inTransaction
  }

  get fields(): unknown {
    return this.#client[this.#property].fields
  }

  run(operation: string, args: any): Promise<unknown> {
    return perform(this.#unit, () =>
      this.#client[this.#property][operation](this.#table ? withTenant(operation, args, this.#unit.tenant) : args),
    )
  }

  async lock(id: string): Promise<unknown> {
    if (!this.#inTransaction) throw new Error('`lock` works inside a transaction only: outside of one the lock would end at once.')
    if (!this.#table) throw new Error(`${this.#property} has no tenant; \`lock\` is for tenant tables.`)
    const sql = `select from ${this.#table} where tenant_id = $1::uuid and id = $2::uuid for update`
    const locked = await perform<number>(this.#unit, () => this.#client.$executeRawUnsafe(sql, this.#unit.tenant, id))
    return locked === 0 ? null : this.run('findFirst', { where: { id } })
  }
}

const operations = [
  'findUnique',
  'findUniqueOrThrow',
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
