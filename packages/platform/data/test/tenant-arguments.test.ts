import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lane } from '../src/index.ts'
import { newTenant, openShop, type Shop } from './shop/shop.ts'
import type { PrismaClient } from './shop/src/generated/prisma/client.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.close())

describe('another tenant in the arguments', () => {
  const [ours, theirs] = [newTenant(), newTenant()]
  const id = randomUUID()
  const where = { tenantId: theirs } as never
  const key = { tenantId_id: { tenantId: theirs, id } } as never
  const line = { tenantId_orderId_position: { tenantId: theirs, orderId: id, position: 1 } }

  const attempts: Record<string, (db: Lane<PrismaClient>) => Promise<unknown>> = {
    where: (db) => db.order.findMany({ where }),
    'where, by a condition': (db) => db.order.findMany({ where: { tenantId: { in: [theirs] } } }),
    'where, by its absence': (db) => db.order.findMany({ where: { tenantId: { not: ours } } }),
    'where, undefined': (db) => db.order.findMany({ where: { tenantId: undefined } }),
    'where, by a column': (db) => db.order.findMany({ where: { tenantId: db.order.fields.tenantId as never } }),
    AND: (db) => db.order.count({ where: { AND: { tenantId: theirs } } }),
    OR: (db) => db.order.findMany({ where: { OR: [{ id }, { tenantId: theirs }] } }),
    NOT: (db) => db.order.deleteMany({ where: { NOT: [{ OR: [{ tenantId: theirs }] }] } }),
    'a unique key': (db) => db.order.findUnique({ where: key }),
    'beside a unique key': (db) => db.order.findUnique({ where: { id, tenantId: theirs } }),
    'the key of an update': (db) => db.orderLine.update({ where: line, data: { sku: 'x' } }),
    'the key of a delete': (db) => db.orderLine.delete({ where: line }),
    cursor: (db) => db.order.findMany({ cursor: key }),
    'the cursor of a related list': (db) => db.order.findMany({ include: { lines: { cursor: line } } }),
    'related rows': (db) => db.order.findMany({ where: { lines: { some: where } } }),
    'related rows, negated': (db) => db.order.findMany({ where: { lines: { every: where } } }),
    'the related row': (db) => db.orderLine.findMany({ where: { order: where } }),
    'the related row, negated': (db) => db.orderLine.findMany({ where: { order: { isNot: where } } }),
    include: (db) => db.order.findMany({ include: { lines: { where } } }),
    'select, two levels down': (db) =>
      db.orderLine.findMany({ select: { order: { select: { lines: { where: { OR: [where] } } } } } }),
    'a count of related rows': (db) => db.order.findMany({ select: { _count: { select: { lines: { where } } } } }),
    aggregate: (db) => db.order.aggregate({ where, _count: true }),
    groupBy: (db) => db.order.groupBy({ by: ['note'], where }),
    create: (db) => db.order.create({ data: { tenantId: theirs, key: 'k' } }),
    createMany: (db) => db.order.createMany({ data: [{ key: 'k' }, { tenantId: theirs, key: 'l' }] }),
    update: (db) => db.order.update({ where: { id }, data: { tenantId: theirs } }),
    'update, by set': (db) => db.order.update({ where: { id }, data: { tenantId: { set: theirs } } }),
    updateMany: (db) => db.order.updateMany({ data: { tenantId: theirs } }),
    'upsert, on creation': (db) =>
      db.order.upsert({ where: { id }, create: { tenantId: theirs, key: 'k' }, update: {} }),
    'upsert, on update': (db) => db.order.upsert({ where: { id }, create: { key: 'k' }, update: { tenantId: theirs } }),
    connect: (db) =>
      db.orderLine.create({
        data: { position: 1, sku: 'x', order: { connect: key } },
      }),
    'connect many': (db) => db.order.create({ data: { key: 'k', lines: { connect: [line] } } }),
    connectOrCreate: (db) =>
      db.orderLine.create({
        data: {
          position: 1,
          sku: 'x',
          order: { connectOrCreate: { where: { id }, create: { tenantId: theirs, key: 'k' } } },
        },
      }),
    'a nested create': (db) =>
      db.order.create({
        data: { key: 'k', lines: { create: [{ tenantId: theirs, position: 1, sku: 'x' } as never] } },
      }),
    'a nested createMany': (db) =>
      db.order.create({
        data: { key: 'k', lines: { createMany: { data: [{ tenantId: theirs, position: 1, sku: 'x' } as never] } } },
      }),
    'a nested update': (db) =>
      db.order.update({ where: { id }, data: { lines: { update: { where: line, data: { sku: 'x' } } } } }),
    'a nested update of the one': (db) =>
      db.orderLine.update({
        where: { tenantId_orderId_position: { orderId: id, position: 1 } },
        data: { order: { update: { tenantId: theirs } } },
      }),
    'a nested upsert': (db) =>
      db.order.update({
        where: { id },
        data: { lines: { upsert: { where: line, create: { position: 1, sku: 'x' }, update: {} } } },
      }),
    'a nested updateMany': (db) =>
      db.order.update({ where: { id }, data: { lines: { updateMany: { where, data: {} } } } }),
    'a nested deleteMany': (db) => db.order.update({ where: { id }, data: { lines: { deleteMany: [where] } } }),
    'a nested delete': (db) => db.order.update({ where: { id }, data: { lines: { delete: [line] } } }),
    'a nested set': (db) => db.order.update({ where: { id }, data: { lines: { set: [line] } } }),
  }

  it.each(Object.entries(attempts))('is refused: %s', async (_, attempt) => {
    shop.sent.length = 0
    await shop.lanes.use(ours, async (db) => {
      await expect(attempt(db)).rejects.toThrow('its own tenant only')
    })
    expect(shop.sent).toEqual([])
  })

  it('is not meant by the own tenant, which may be named', async () => {
    await shop.lanes.use(ours, async (db) => {
      await db.order.create({ data: { tenantId: ours, key: 'own' } })
      expect(await db.order.findMany({ where: { tenantId: ours, OR: [{ tenantId: ours }] } })).toHaveLength(1)
      expect(await db.order.groupBy({ by: ['tenantId'], having: { tenantId: { not: theirs } } })).toHaveLength(1)
      await db.order.deleteMany()
    })
  })
})
