import type { TenantId } from '@offshoot/rpc'
import type { Model, Relation } from './models.ts'

type Arguments = Record<string, any>

/**
 * Prisma's arguments with the tenant in them, at every level: what is filtered, looked up, included, connected or written names the
 * tenant, because that is what the planner, a router and a person who reads a slow-query log go by. Another tenant, wherever it is
 * named, is refused. (Row security would refuse its rows in any case; this is the layer above it.)
 */
export function withTenant(model: Model, operation: string, args: Arguments | undefined, tenant: TenantId): Arguments {
  const result: Arguments = { ...args }
  if (result.include) result.include = included(model, result.include, tenant)
  if (result.select) result.select = included(model, result.select, tenant)
  if (result.cursor) result.cursor = unique(model, result.cursor, tenant)
  switch (operation) {
    case 'create':
      result.data = created(model, result.data, tenant)
      break
    case 'createMany':
    case 'createManyAndReturn':
      result.data = each(result.data, (row) => created(model, row, tenant))
      break
    case 'findUnique':
    case 'findUniqueOrThrow':
    case 'delete':
      result.where = unique(model, result.where, tenant)
      break
    case 'update':
      result.where = unique(model, result.where, tenant)
      result.data = changed(model, result.data, tenant)
      break
    case 'upsert':
      result.where = unique(model, result.where, tenant)
      result.create = created(model, result.create, tenant)
      result.update = changed(model, result.update, tenant)
      break
    case 'updateMany':
    case 'updateManyAndReturn':
      result.where = filter(model, result.where, tenant)
      result.data = changed(model, result.data, tenant)
      break
    default: // findMany, findFirst, findFirstOrThrow, count, aggregate, groupBy, deleteMany
      result.where = filter(model, result.where, tenant)
  }
  return result
}

/**
 * The arguments of `findFirst` that find what these of `findUnique` do; undefined when they name no key completely, which Prisma
 * then says. Prisma holds each `findUnique` back, to send those of one tick as one statement: that costs a lone one more than it
 * saves (measured: 6 % of the throughput of primary-key reads), and nothing of a lane should depend on what else is called when.
 */
export function asFirst(model: Model, args: Arguments | undefined, tenant: TenantId): Arguments | undefined {
  const { where, ...rest } = withTenant(model, 'findUnique', args, tenant)
  const name = isObject(where) ? model.keys.find((key) => isObject(where[key.name]))?.name : undefined
  if (name === undefined) return undefined
  const { [name]: key, ...conditions } = where
  for (const field of Object.keys(key)) if (!isScalar(key[field])) return undefined
  return { ...rest, where: Object.keys(conditions).length > 0 ? { AND: [key, conditions] } : key }
}

/** A value to compare with; not a condition (`{ not: … }`), which `findFirst` would take and `findUnique` refuses. */
const isScalar = (value: unknown) => typeof value === 'string' || typeof value === 'number' || value instanceof Date

const foreign = () => new Error('A lane writes and reads its own tenant only; leave `tenantId` out.')

const isObject = (value: unknown): value is Arguments => typeof value === 'object' && value !== null

/** Applies `change` to one or to each of several. */
function each(value: unknown, change: (one: any) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : isObject(value) ? change(value) : value
}

/** A condition on rows of `model`, which now names the tenant. */
function filter(model: Model, where: Arguments | undefined, tenant: TenantId): Arguments | undefined {
  const condition = conditions(model, where, tenant)
  return model.tenant ? { ...condition, tenantId: tenant } : condition
}

/** The same without naming the tenant at this level: for what stands below AND, OR and NOT. */
function conditions(model: Model, where: Arguments | undefined, tenant: TenantId): Arguments | undefined {
  if (!isObject(where)) return where
  let result = where
  for (const key of Object.keys(where)) {
    const value = where[key]
    const relation = model.relations.get(key)
    let changed = value
    if (key === 'tenantId' && model.tenant) {
      if (value !== tenant) throw foreign()
    } else if (key === 'AND' || key === 'OR' || key === 'NOT')
      changed = each(value, (one) => conditions(model, one, tenant))
    else if (relation && isObject(value)) changed = related(relation, value, tenant)
    if (changed === value) continue
    if (result === where) result = { ...where }
    result[key] = changed
  }
  return result
}

/** A condition on related rows. Below a negation (`every`, `isNot`) it says nothing about which rows are read, so that it is only checked there. */
function related({ model, list }: Relation, condition: Arguments, tenant: TenantId): Arguments {
  const words = list ? ['some', 'none', 'every'] : ['is', 'isNot']
  if (!list && !words.some((word) => word in condition)) return filter(model, condition, tenant)!
  const result = { ...condition }
  for (const word of words) {
    if (!isObject(result[word])) continue
    result[word] =
      word === 'every' || word === 'isNot'
        ? conditions(model, result[word], tenant)
        : filter(model, result[word], tenant)
  }
  return result
}

/** `{ id }` → `{ tenantId_id: { tenantId, id } }`: the unique key that begins with the tenant. */
function unique(model: Model, where: Arguments, tenant: TenantId): Arguments {
  if (!isObject(where) || !model.tenant) return conditions(model, where, tenant) as Arguments
  const result = { ...conditions(model, where, tenant) }
  let found = false
  for (const { name } of model.keys) {
    const key = result[name]
    if (!isObject(key)) continue
    if (key.tenantId !== undefined && key.tenantId !== tenant) throw foreign()
    result[name] = { ...key, tenantId: tenant }
    found = true
  }
  if (found) return result
  const key = model.keys.find(({ only }) => only !== undefined && result[only] !== undefined)
  if (!key) return result // names no key; Prisma says so better
  const { [key.only!]: value, ...rest } = result
  return { ...rest, [key.name]: { tenantId: tenant, [key.only!]: value } }
}

/** `select` and `include`: related rows are read with a condition of their own. */
function included(model: Model, fields: Arguments, tenant: TenantId): Arguments {
  const result = { ...fields }
  for (const key of Object.keys(fields)) {
    const value = fields[key]
    if (!value) continue
    if (key === '_count' && isObject(value) && value.select)
      result._count = { ...value, select: included(model, value.select, tenant) }
    const relation = model.relations.get(key)
    if (!relation) continue
    const inner: Arguments = value === true ? {} : { ...value }
    if (inner.include) inner.include = included(relation.model, inner.include, tenant)
    if (inner.select) inner.select = included(relation.model, inner.select, tenant)
    if (inner.cursor) inner.cursor = unique(relation.model, inner.cursor, tenant)
    if (relation.list) inner.where = filter(relation.model, inner.where, tenant)
    else if (inner.where) inner.where = conditions(relation.model, inner.where, tenant)
    result[key] = Object.keys(inner).length > 0 ? inner : value
  }
  return result
}

/** A new row. When it is connected to another by a foreign key with the tenant in it, Prisma takes the tenant from there, and refuses both. */
function created(model: Model, data: Arguments, tenant: TenantId): Arguments {
  const result = changed(model, data, tenant)
  if (!isObject(data) || !model.tenant) return result
  const connected = Object.keys(data).some((key) => isObject(data[key]) && model.relations.get(key)?.carriesTenant)
  return connected ? result : { ...result, tenantId: tenant }
}

/** A row below another in the same write. A tenant's rows get their tenant from the row above, through the foreign key. */
function createdBelow(parent: Model, model: Model, data: Arguments, tenant: TenantId): Arguments {
  return parent.tenant ? changed(model, data, tenant) : created(model, data, tenant)
}

/** What a row is changed to, and what is written along with it. */
function changed(model: Model, data: Arguments, tenant: TenantId): Arguments {
  if (!isObject(data)) return data
  let result = data
  for (const key of Object.keys(data)) {
    if (key === 'tenantId' && model.tenant && data[key] !== undefined && data[key] !== tenant) throw foreign()
    const relation = model.relations.get(key)
    if (!relation || !isObject(data[key])) continue
    if (result === data) result = { ...data }
    result[key] = writtenAlong(model, relation, data[key], tenant)
  }
  return result
}

function writtenAlong(parent: Model, { model, list }: Relation, operations: Arguments, tenant: TenantId): Arguments {
  const create = (row: Arguments) => createdBelow(parent, model, row, tenant)
  /** The related row: one of many is named by its key, the only one by a condition at most. */
  const which = (where: Arguments) => (list ? unique(model, where, tenant) : conditions(model, where, tenant))
  const result: Arguments = {}
  for (const [operation, value] of Object.entries(operations)) {
    result[operation] = each(value, (one: Arguments) => {
      switch (operation) {
        case 'create':
          return create(one)
        case 'createMany':
          return { ...one, data: each(one.data, create) }
        case 'connect':
          return unique(model, one, tenant)
        case 'connectOrCreate':
          return { ...one, where: unique(model, one.where, tenant), create: create(one.create) }
        case 'set':
        case 'disconnect':
        case 'delete':
          return which(one)
        case 'update':
          if (!list && !isObject(one.data)) return changed(model, one, tenant)
          return { ...one, ...(one.where && { where: which(one.where) }), data: changed(model, one.data, tenant) }
        case 'upsert':
          return {
            ...one,
            ...(one.where && { where: which(one.where) }),
            create: create(one.create),
            update: changed(model, one.update, tenant),
          }
        case 'updateMany':
          return { ...one, where: filter(model, one.where, tenant), data: changed(model, one.data, tenant) }
        case 'deleteMany':
          return filter(model, one, tenant)
        default:
          throw new Error(`A lane does not know the nested write '${operation}'.`)
      }
    })
  }
  return result
}
