// #region with catalog, orders
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type TestGateway, testGateway } from '../gateway.ts'
import { expectRefused, expectWellFormed } from '../refusals.ts'

type Ask = (query: string, variables?: Record<string, unknown>) => Promise<Answer>

let gateway: TestGateway
let ask: Ask
beforeAll(async () => {
  gateway = await testGateway()
  ask = await gateway.as('owner@acme.test')
})
afterAll(() => gateway.close())

const products =
  'query ($first: Int, $after: String, $search: String) { products(first: $first, after: $after, search: $search) { nodes { id sku name } pageInfo { endCursor } } }'
const create = 'mutation ($input: CreateProductInput!) { createProduct(input: $input) { id sku name } }'
const product = (changes: object) => ({
  input: { sku: 'BAD-1', name: 'Bad', stock: 1, price: { amount: '1.00', currency: 'EUR' }, ...changes },
})

describe('input', () => {
  it('with a huge number is refused or taken as it is', async () => {
    const body = (number: string) =>
      `{"query":${JSON.stringify(create)},"variables":${JSON.stringify(product({ stock: 0 })).replace('"stock":0', `"stock":${number}`)}}`
    const headers = { authorization: `Bearer ${await gateway.signIn('owner@acme.test')}` }
    for (const number of ['1e400', '-1e400', '9007199254740993', '2147483648', '1e308']) {
      const response = await gateway.post('/graphql', body(number), headers)
      const { errors } = (await response.json()) as Answer
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', reason: 'INVALID_INPUT' } }])
    }
  })

  it.each([
    '1e3',
    '',
    '.',
    '1.',
    '.5',
    '1,5',
    '0x10',
    'NaN',
    'Infinity',
    '+1',
    ' 1',
    '1 ',
    '١',
    '9'.repeat(19),
    null,
    true,
    {},
  ])('that is no Decimal is refused: %j', async (amount) => {
    await expectRefused(ask(create, product({ price: { amount, currency: 'EUR' } })), 'BAD_USER_INPUT', 'INVALID_INPUT')
  })

  it.each([
    [{ amount: '1.001', currency: 'EUR' }],
    [{ amount: '1.5', currency: 'JPY' }],
    [{ amount: '1', currency: 'XXL' }],
    [{ amount: '1', currency: 'eur' }],
    [{ amount: '1', currency: '__proto__' }],
    [{ amount: '999999999999999999', currency: 'EUR' }],
  ])('that is no money is refused: %j', async (price) => {
    await expectRefused(ask(create, product({ price })), 'BAD_USER_INPUT', 'INVALID_MONEY')
  })

  it('with NUL is refused, and other Unicode comes back as it was', async () => {
    await expectRefused(ask(create, product({ sku: 'NUL\0' })), 'BAD_USER_INPUT', 'INVALID_INPUT')
    await expectRefused(ask(create, product({ sku: 'HALF', name: '\ud800' })), 'BAD_USER_INPUT', 'INVALID_INPUT')
    await expectRefused(ask(products, { search: '\0' }), 'BAD_USER_INPUT', 'INVALID_INPUT')
    const name = 'Ünï 🏃‍♀️ \u202e العربية "\'\\\u2028 \ufeffx'
    const { data } = await ask(create, product({ sku: 'ÜNÏ-🏃', name }))
    expect(data.createProduct).toMatchObject({ sku: 'ÜNÏ-🏃', name })
  })

  it.each([
    `'; DROP TABLE catalog.product; --`,
    `' OR '1'='1`,
    `\\'; SELECT pg_sleep(10); --`,
    `%' UNION SELECT email FROM identity."user" --`,
    '%',
    '_',
    '\\',
    '$1',
    '") { nodes { id } } me { email } x: products(search: "',
    '{ me { id } }',
    '#{1+1}{{7*7}}',
  ])('is text and nothing else: %s', async (text) => {
    const found = await ask(products, { first: 100, search: text })
    expect(found.errors).toBeUndefined()
    expect(Object.keys(found.data)).toEqual(['products'])
    const beside = found.data.products.nodes.filter(
      ({ sku, name }: { sku: string; name: string }) => !`${sku} ${name}`.toLowerCase().includes(text.toLowerCase()),
    )
    expect(beside).toEqual([])
    const { data } = await ask(create, product({ sku: text.slice(0, 50), name: text }))
    expect(data.createProduct.name).toBe(text)
    expect(await ask('query ($id: ID!) { product(id: $id) { id } order(id: $id) { id } }', { id: text })).toMatchObject(
      {
        data: { product: null, order: null },
        errors: undefined,
      },
    )
  })
})

describe('a page', () => {
  it.each([0, -1, -(2 ** 31)])('of %i is refused, as a literal and as a variable', async (first) => {
    for (const list of ['products', 'orders']) {
      await expectRefused(ask(`{ ${list}(first: ${first}) { nodes { id } } }`), 'BAD_USER_INPUT', 'INVALID_PAGE_SIZE')
      await expectRefused(
        ask(`query ($n: Int) { ${list}(first: $n) { nodes { id } } }`, { n: first }),
        'BAD_USER_INPUT',
        'INVALID_PAGE_SIZE',
      )
    }
  })

  it('has at most 100, whatever is asked for, and 20 when nothing is', async () => {
    const lengthOf = async (answer: Promise<Answer>) => (await answer).data.products.nodes.length
    expect(await lengthOf(ask('{ products(first: 1000000) { nodes { id } } }'))).toBe(100)
    expect(await lengthOf(ask(products, { first: 1_000_000 }))).toBe(100)
    expect(await lengthOf(ask(products, { first: 2 ** 31 - 1 }))).toBe(100)
    expect(await lengthOf(ask('{ products { nodes { id } } }'))).toBe(20)
    expect(await lengthOf(ask(products, { first: null as never }))).toBe(20)
  })

  it('after what is no cursor of this list and this tenant is refused', async () => {
    const globex = await gateway.as('owner@globex.test')
    const cursors =
      '{ products(first: 1) { pageInfo { endCursor } nodes { id } } orders(first: 1) { pageInfo { endCursor } } }'
    const [own, foreign] = await Promise.all([ask(cursors), globex(cursors)])
    const { endCursor } = own.data.products.pageInfo
    expect((await ask(products, { after: endCursor })).data.products.nodes[0].id).not.toBe(
      own.data.products.nodes[0].id,
    )
    const bad = [
      '',
      'x',
      '🏃',
      own.data.products.nodes[0].id,
      endCursor.slice(0, -4),
      `${endCursor}AAAA`,
      Buffer.from(`Product:${'0'.repeat(8)}:1' OR 1=1`).toString('base64url'),
      own.data.orders.pageInfo.endCursor,
      foreign.data.products.pageInfo.endCursor,
      foreign.data.orders.pageInfo.endCursor,
    ]
    for (const after of bad) await expectRefused(ask(products, { after }), 'BAD_USER_INPUT', 'INVALID_CURSOR')
  })
})

describe('an id that is none', () => {
  it.each(['', 'x', '1', '\0', '🏃', '../../etc/passwd', '0'.repeat(10_000), '00000000-0000-0000-0000-000000000000'])(
    'finds nothing: %.40s',
    async (id) => {
      const found = await ask('query ($id: ID!) { product(id: $id) { id } order(id: $id) { id } }', { id })
      expect(found).toMatchObject({ data: { product: null, order: null }, errors: undefined })
      for (const name of ['archiveProduct', 'cancelOrder']) {
        const answer = await ask(`mutation ($id: ID!) { ${name}(id: $id) { id } }`, { id })
        expect(answer.data).toEqual({ [name]: null })
        expectWellFormed(answer)
        expect(['NOT_FOUND', 'BAD_USER_INPUT']).toContain(answer.errors![0]!.extensions.code)
      }
    },
  )
})
