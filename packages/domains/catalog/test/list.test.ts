import type { Client } from '@offshoot/rpc'
import { type TestApp, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { catalog, type Product } from '../src/contract.ts'
import { catalogDomain } from '../src/domain.ts'

let app: TestApp
let shop: Client<typeof catalog>
/** Newest first, as lists are. */
let made: Product[]

const names = [
  'Café au lait',
  'Cafe\u0301 crème',
  '100 % Wool',
  'Snake_case',
  'Back\\slash',
  `O'Brien`,
  'Naïve',
  'STRASSE',
  'İstanbul',
]

beforeAll(async () => {
  app = await testApp([catalogDomain], { events: false })
  shop = app.client(catalog, { tenant: 'acme' })
  made = []
  for (const [i, name] of names.entries()) {
    made.unshift(await shop.create({ sku: `sku-${i}`, name, price: { minor: 100, currency: 'EUR' }, stock: 1 }))
    await new Promise((resolve) => setTimeout(resolve, 2)) // ids of one millisecond are in no particular order
  }
  await app
    .client(catalog, { tenant: 'globex' })
    .create({ sku: 'sku-0', name: 'Café', price: { minor: 1, currency: 'EUR' }, stock: 1 })
})
afterAll(() => app.stop())

async function pages(first: number, search?: string): Promise<Product[][]> {
  const all: Product[][] = []
  for (let after: string | undefined; ; ) {
    const { items, more } = await shop.list({ first, after, search })
    all.push(items)
    if (!more) return all
    after = items.at(-1)!.id
  }
}

describe('the list of products', () => {
  it('is newest first, and its pages hold each product once', async () => {
    for (const first of [1, 2, 3, 9, 100]) expect((await pages(first)).flat()).toEqual(made)
    expect((await pages(3)).map(({ length }) => length)).toEqual([3, 3, 3])
  })

  it('stays in place while products are added in front of a position', async () => {
    const { items } = await shop.list({ first: 2 })
    const added = await shop.create({ sku: 'added', name: 'Added', price: { minor: 1, currency: 'EUR' }, stock: 0 })
    expect((await shop.list({ first: 2, after: items[1]!.id })).items).toEqual(made.slice(2, 4))
    await shop.archive({ id: added.id })
  })

  it('takes any id for a position in time: an unknown one tells nothing, nor does one of another tenant', async () => {
    const [foreign] = (await app.client(catalog, { tenant: 'globex' }).list({ first: 1 })).items
    expect((await shop.list({ first: 100, after: foreign!.id })).items).toEqual(made)
    expect((await shop.list({ first: 100, after: '00000000-0000-0000-0000-000000000000' })).items).toEqual([])
  })

  it.each([0, -1, 1.5, 101, 1e6])('refuses pages of %d', async (first) => {
    await expect(shop.list({ first })).rejects.toMatchObject({ code: 'BAD_USER_INPUT', reason: 'INVALID_INPUT' })
  })

  it.each(['', 'x', '1', '__proto__', `'; drop table catalog.product; --`])(
    'refuses %j as a position',
    async (after) => {
      await expect(shop.list({ first: 1, after })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        reason: 'INVALID_INPUT',
      })
    },
  )

  it('costs one statement, with a search two, whatever the number of products', async () => {
    for (const first of [1, 100]) {
      app.statements.length = 0
      await shop.list({ first })
      expect(app.statements).toHaveLength(1)
      app.statements.length = 0
      await shop.list({ first, search: 's' })
      expect(app.statements).toHaveLength(2)
    }
  })
})

describe('searching products', () => {
  const found = async (search: string) => (await shop.list({ first: 100, search })).items.map(({ name }) => name)

  it('finds parts of the name and of the SKU, whatever the case', async () => {
    expect(await found('WOOL')).toEqual(['100 % Wool'])
    expect(await found('strasse')).toEqual(['STRASSE'])
    expect(await found('SKU-3')).toEqual(['Snake_case'])
    expect(await found('  naïVE ')).toEqual(['Naïve'])
  })

  it('finds an accent however it was typed', async () => {
    for (const search of ['café', 'cafe\u0301', 'CAFÉ'])
      expect(await found(search)).toEqual(['Cafe\u0301 crème', 'Café au lait'])
    expect(await found('İSTAN')).toEqual(['İstanbul'])
  })

  it('gives no character a meaning of its own', async () => {
    expect(await found('%')).toEqual(['100 % Wool'])
    expect(await found('_')).toEqual(['Snake_case'])
    expect(await found('\\')).toEqual(['Back\\slash'])
    expect(await found(`'`)).toEqual([`O'Brien`])
    for (const search of [`' or '1'='1`, `'; drop table catalog.product; --`, '__proto__', '.*', '$1', '\ud83d'])
      expect(await found(search)).toEqual([])
  })

  it('is no search when it is blank', async () => {
    expect((await shop.list({ first: 100, search: ' ' })).items).toEqual(made)
  })

  it('has pages like the list', async () => {
    expect((await pages(2, 'sku-')).flat()).toEqual(made)
  })

  it.each([
    ['NUL', 'a\0'],
    ['10 MB', 'x'.repeat(10_000_000)],
  ])('refuses %s', async (_, search) => {
    await expect(shop.list({ first: 1, search })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      reason: 'INVALID_INPUT',
    })
  })
})
