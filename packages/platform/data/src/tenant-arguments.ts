import type { TenantId } from '@offshoot/rpc'

type Arguments = Record<string, any>

/**
 * Prisma's arguments with the tenant in them, so that every statement names its tenant: it is what the planner, a router and a
 * person reading a slow-query log go by. (Row security would refuse foreign rows without it.)
 */
export function withTenant(operation: string, args: Arguments | undefined, tenant: TenantId): Arguments {
  switch (operation) {
    case 'create':
      return { ...args, data: owned(args!.data, tenant) }
    case 'createMany':
    case 'createManyAndReturn':
      return { ...args, data: Array.isArray(args!.data) ? args!.data.map((row: Arguments) => owned(row, tenant)) : owned(args!.data, tenant) }
    case 'findUnique':
    case 'findUniqueOrThrow':
    case 'delete':
      return { ...args, where: unique(args!.where, tenant) }
    case 'update':
      return { ...args, where: unique(args!.where, tenant), data: unmoved(args!.data) }
    case 'upsert':
      return { ...args, where: unique(args!.where, tenant), create: owned(args!.create, tenant), update: unmoved(args!.update) }
    case 'updateMany':
    case 'updateManyAndReturn':
      return { ...args, where: filtered(args!.where, tenant), data: unmoved(args!.data) }
    default: // findMany, findFirst, findFirstOrThrow, count, aggregate, groupBy, deleteMany
      return { ...args, where: filtered(args?.where, tenant) }
  }
}

const foreign = () => new Error('A lane writes and reads its own tenant only; leave `tenantId` out.')

function filtered(where: Arguments | undefined, tenant: TenantId): Arguments {
  if (where && 'tenantId' in where && where.tenantId !== tenant) throw foreign()
  return { ...where, tenantId: tenant }
}

function owned(data: Arguments, tenant: TenantId): Arguments {
  if (data.tenantId !== undefined && data.tenantId !== tenant) throw foreign()
  return { ...data, tenantId: tenant }
}

function unmoved(data: Arguments): Arguments {
  if (data.tenantId !== undefined) throw foreign()
  return data
}

/** `{ id }` → `{ tenantId_id: { tenantId, id } }`: the unique key that begins with the tenant. */
function unique(where: Arguments, tenant: TenantId): Arguments {
  const compound = Object.keys(where).find((key) => key.startsWith('tenantId_'))
  if (compound) {
    const key = where[compound]
    if (key.tenantId !== undefined && key.tenantId !== tenant) throw foreign()
    return { ...where, [compound]: { ...key, tenantId: tenant } }
  }
  const field = 'id' in where ? 'id' : Object.keys(where)[0]!
  const { [field]: value, ...rest } = where
  return { ...rest, [`tenantId_${field}`]: { tenantId: tenant, [field]: value } }
}
