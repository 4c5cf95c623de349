import type { Client, InputOf } from '@offshoot/rpc'
import { type TestApp, tenantId, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { catalog, type ProductId } from '../src/contract.ts'
import { catalogDomain } from '../src/domain.ts'

let app: TestApp
let shop: Client<typeof catalog>
let other: Client<typeof catalog>

beforeAll(async () => {
  app = await testApp([catalogDomain], { events: false })
  shop = app.client(catalog, { tenant: 'acme' })
  other = app.client(catalog, { tenant: 'globex' })
})
afterAll(() => app.stop())

type NewProduct = InputOf<typeof catalog.calls.create>

let counter = 0
const product = (change: Partial<NewProduct> = {}): NewProduct => ({
  sku: `SKU-${++counter}`,
  name: 'Hammer',
  price: { minor: 1250, currency: 'EUR' },
  stock: 3,
  ...change,
})
const invalid = { code: 'BAD_USER_INPUT', reason: 'INVALID_INPUT' }
const neverExisted = '019b76da-a800-7000-8000-000000000000' as ProductId

describe('creating a product', () => {
  it('answers with the product, which can then be read', async () => {
    const input = product({ description: 'For nails.' })
    const created = await shop.create(input)
    expect(created).toMatchObject({ ...input, archived: false })
    expect(await shop.getMany({ ids: [created.id] })).toEqual([created])
  })

  it('takes the largest price that a contract can carry, to the last unit, and any currency of ISO 4217', async () => {
    const price = { minor: Number.MAX_SAFE_INTEGER, currency: 'JPY' }
    const { id } = await shop.create(product({ price }))
    expect((await shop.getMany({ ids: [id] }))[0]!.price).toEqual(price)
  })

  it('keeps text as it was written: Unicode, quotes, SQL, markup', async () => {
    for (const name of [
      'Schraube „M8“ 🔩',
      `'; drop table catalog.product; --`,
      '__proto__',
      '100 % _\\',
      '<script>alert(1)</script>',
      '日本語',
    ]) {
      const sku = `${name} ${++counter}`
      expect(await shop.create(product({ sku, name, description: name }))).toMatchObject({
        sku,
        name,
        description: name,
      })
    }
  })

  it.each<[string, Record<string, unknown>]>([
    ['a blank SKU', { sku: '  ' }],
    ['a SKU that is too long', { sku: 'x'.repeat(65) }],
    ['a name of 10 MB', { name: 'x'.repeat(10_000_000) }],
    ['a description of 10 MB', { description: 'x'.repeat(10_000_000) }],
    ['NUL in the SKU', { sku: 'a\0b' }],
    ['NUL in the name', { name: '\0' }],
    ['NUL in the description', { description: 'a\0' }],
    ['half a surrogate pair, which UTF-8 cannot hold', { name: 'a\ud83d' }],
    ['a currency that does not exist', { price: { minor: 1, currency: 'XYZ' } }],
    ['a currency in lower case', { price: { minor: 1, currency: 'eur' } }],
    ['__proto__ as a currency', { price: { minor: 1, currency: '__proto__' } }],
    ['a negative price', { price: { minor: -1, currency: 'EUR' } }],
    ['a fraction of a cent', { price: { minor: 0.5, currency: 'EUR' } }],
    ['a price above the safe integers', { price: { minor: 2 ** 53, currency: 'EUR' } }],
    ['a price as text', { price: { minor: '1', currency: 'EUR' } }],
    ['a negative stock', { stock: -1 }],
    ['a fractional stock', { stock: 1.5 }],
    ['a stock of 2³¹', { stock: 2 ** 31 }],
  ])('refuses %s', async (_, change) => {
    await expect(shop.create(product(change))).rejects.toMatchObject(invalid)
  })
})

describe('the SKU', () => {
  it('is unique within a tenant, archived products included', async () => {
    const input = product()
    const { id } = await shop.create(input)
    await shop.archive({ id })
    await expect(shop.create(input)).rejects.toMatchObject({ code: 'CONFLICT', reason: 'SKU_TAKEN' })
  })

  it('is free for every other tenant, so that its use tells nothing', async () => {
    const input = product()
    await shop.create(input)
    await expect(other.create(input)).resolves.toMatchObject({ sku: input.sku })
  })

  it('goes to one of ten who ask for it at once', async () => {
    const input = product()
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => shop.create(input)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'CONFLICT', reason: 'SKU_TAKEN' })
    }
  })

  it('cannot be taken from another product by an update', async () => {
    const [mine, theirs] = [await shop.create(product()), await shop.create(product())]
    await expect(shop.update({ id: mine.id, sku: theirs.sku })).rejects.toMatchObject({
      code: 'CONFLICT',
      reason: 'SKU_TAKEN',
    })
    await expect(shop.update({ id: mine.id, sku: mine.sku })).resolves.toEqual(mine)
  })
})

describe('updating a product', () => {
  it('changes what is named and leaves the rest', async () => {
    const created = await shop.create(product({ description: 'Old.' }))
    const price = { minor: 99, currency: 'USD' }
    expect(await shop.update({ id: created.id, price })).toEqual({ ...created, price })
    expect(await shop.update({ id: created.id, description: null, stock: 0 })).toEqual({
      ...created,
      price,
      description: null,
      stock: 0,
    })
    expect(await shop.update({ id: created.id })).toEqual({ ...created, price, description: null, stock: 0 })
  })

  it('keeps both changes of two at once, and the product is found by both', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => shop.create(product({ name: 'Before' }))))
    await Promise.all(
      made.flatMap(({ id }, i) => [shop.update({ id, name: `Zebra ${i}` }), shop.update({ id, sku: `quagga-${i}` })]),
    )
    for (const [i, { id }] of made.entries()) {
      for (const search of [`zebra ${i}`, `QUAGGA-${i}`]) {
        expect((await shop.list({ first: 5, search })).items.map((item) => item.id)).toEqual([id])
      }
    }
    expect((await shop.list({ first: 5, search: 'before' })).items).toEqual([])
  })
})

describe('archiving a product', () => {
  it('takes it off the list and leaves it readable by id; again it changes nothing', async () => {
    const created = await shop.create(product({ name: 'Discontinued' }))
    const archived = { ...created, archived: true }
    expect(await shop.archive({ id: created.id })).toEqual(archived)
    expect(await shop.archive({ id: created.id })).toEqual(archived)
    expect(await shop.getMany({ ids: [created.id] })).toEqual([archived])
    expect((await shop.list({ first: 100 })).items).not.toContainEqual(expect.objectContaining({ id: created.id }))
    expect((await shop.list({ first: 100, search: 'discontinued' })).items).toEqual([])
  })
})

describe('reading products by id', () => {
  it('answers in the order of the ids, as often as they are asked for, null for the unknown, in one statement', async () => {
    const [a, b] = [await shop.create(product()), await shop.create(product())]
    app.statements.length = 0
    expect(await shop.getMany({ ids: [b.id, neverExisted, a.id, b.id] })).toEqual([b, null, a, b])
    expect(app.statements).toHaveLength(1)
    expect(await shop.getMany({ ids: [] })).toEqual([])
  })

  it.each(['', 'x', `' or 1=1 --`, '__proto__', 'x'.repeat(10_000_000)])('refuses what is no id', async (id) => {
    await expect(shop.getMany({ ids: [id as ProductId] })).rejects.toMatchObject(invalid)
  })
})

describe('another tenant', () => {
  it("meets a product's id as if it had never existed, in every call", async () => {
    const mine = await shop.create(product())
    const about = async (id: ProductId) => ({
      read: await other.getMany({ ids: [id] }),
      update: await other.update({ id, name: 'Taken over' }).catch(told),
      archive: await other.archive({ id }).catch(told),
    })
    expect(await about(mine.id)).toEqual(await about(neverExisted))
    expect((await about(mine.id)).update).toMatchObject({ code: 'NOT_FOUND', reason: 'PRODUCT_NOT_FOUND' })
    expect(await shop.getMany({ ids: [mine.id] })).toEqual([mine])
  })

  it('sees none of the products in lists and searches', async () => {
    const [nobody] = [app.client(catalog, { tenant: 'initech' })]
    expect(await nobody.list({ first: 100 })).toEqual({ items: [], more: false })
    expect(await nobody.list({ first: 100, search: 'a' })).toEqual({ items: [], more: false })
  })

  it('is named in every statement', async () => {
    app.statements.length = 0
    const { id } = await shop.create(product())
    await shop.update({ id, name: 'Mallet' })
    await shop.list({ first: 1, search: 'mallet' })
    await shop.getMany({ ids: [id] })
    await shop.archive({ id })
    for (const { sql, tenant } of app.statements) {
      expect(tenant).toBe(tenantId('acme'))
      if (!/^(BEGIN|COMMIT)$/.test(sql)) expect(sql).toContain('tenant_id')
    }
  })
})

describe('a member', () => {
  it('may read products and not write them', async () => {
    const member = app.client(catalog, { tenant: 'acme', role: 'member' })
    const admin = app.client(catalog, { tenant: 'acme', role: 'admin' })
    const { id } = await admin.create(product())
    await expect(member.list({ first: 1 })).resolves.toMatchObject({ items: [{ id }] })
    await expect(member.getMany({ ids: [id] })).resolves.toMatchObject([{ id }])
    const refused = { code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' }
    await expect(member.create(product())).rejects.toMatchObject(refused)
    await expect(member.update({ id, name: 'Mine' })).rejects.toMatchObject(refused)
    await expect(member.archive({ id })).rejects.toMatchObject(refused)
  })
})

/** What a caller is told of a failure. */
function told({ code, reason, message, data }: { code: string; reason: string; message: string; data: unknown }) {
  return { code, reason, message, data }
}
