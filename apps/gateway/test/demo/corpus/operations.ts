// #region with catalog, orders, billing, notifications, insights
import { demoProducts } from '@offshoot/catalog/contract'
import { demoId } from '@offshoot/host'
import { demoOrders } from '@offshoot/orders/contract'

/**
 * What is asked of a fresh gateway with the demo's data, one after the other, and must be answered by the same bytes however the product is divided. `{name}` in a query, in variables or in a
 * header stands for what an operation before kept.
 */
export interface Section {
  title: string
  /** A demo user, an API key or session that was kept (`{key}`), or nobody. */
  as?: string
  tenant?: string
  /** Something that holds meanwhile. */
  given?: Condition
  operations: Operation[]
}

export type Condition = 'catalog has lost a column' | 'catalog cannot be reached' | 'orders is locked'

export interface Operation {
  name: string
  query?: string
  variables?: Record<string, unknown>
  operationName?: string
  headers?: Record<string, string>
  /** A request that is none of GraphQL's. */
  http?: { method: string; path: string; body?: string }
  /** By name, where in the answer stands what later operations need. `header:` and a name: in that header. */
  keep?: Record<string, string>
}

const ask = (name: string, query: string, variables?: Record<string, unknown>, more: Partial<Operation> = {}) => ({
  name,
  query,
  variables,
  ...more,
})
const http = (
  name: string,
  method: string,
  path: string,
  body?: unknown,
  { headers, keep }: Pick<Operation, 'headers' | 'keep'> = {},
): Operation => ({
  name,
  http: { method, path, body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body) },
  headers,
  keep,
})

const product = (tenant: string, n: number) => {
  const { key, createdAt } = demoProducts(tenant)[n]!
  return demoId('product', key, createdAt)
}
const order = (tenant: string, n: number) => {
  const { key, createdAt } = demoOrders(tenant)[n]!
  return demoId('order', key, createdAt)
}
/** Products of which there are more than ten. */
const inStock = demoProducts('acme').flatMap(({ stock }, n) => (stock > 10 ? [product('acme', n)] : []))
const member = (tenant: string, email: string) => demoId('member', `${tenant}:${email}`)
const cursor = (type: string, tenant: string, id: string) =>
  Buffer.from(`${type}:${demoId('tenant', tenant)}:${id}`).toString('base64url')
const nowhere = '00000000-0000-4000-8000-000000000000'
const password = 'offshoot-demo-1'

/** Ids that are none, and some that are: `own` of the kind that is asked for, `theirs` another tenant's, `other` of another kind. */
const oddIds = (own: string, theirs: string, other: string): [what: string, id: unknown][] => [
  ['that is unknown', nowhere],
  ['of another tenant', theirs],
  ['of another kind', other],
  ['that is no UUID', 'nonsense'],
  ['that is empty', ''],
  ['that is a number', 7],
  ['that is null', null],
  ['that is a list', [nowhere]],
  ['with a quote', `' OR 1=1 --`],
  ['in upper case', own.toUpperCase()],
  ['of 1,000 characters', 'x'.repeat(1_000)],
]

const productFields = 'id sku name description price { amount currency } stock archived createdAt'
const orderFields =
  'id status cancelReason createdAt total { amount currency } lines { sku name quantity unitPrice { amount currency } }'
const everywhere = `id status total { amount currency } placedBy { name email }
  payment { status failure amount { amount currency } order { id status } }
  lines { sku name quantity product { name stock sales { unitsSold revenue { amount currency } } } }`

const newProduct = (input: object) => ({
  input: { sku: 'NEW-1', name: 'New', stock: 10, price: { amount: '12.50', currency: 'EUR' }, ...input },
})
const create = `mutation ($input: CreateProductInput!) { createProduct(input: $input) { ${productFields} } }`
const update = `mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { ${productFields} } }`
const place = `mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { ${orderFields} placedBy { name } } }`
const lines = (...given: [id: string, quantity: number][]) =>
  given.map(([productId, quantity]) => ({ productId, quantity }))

export const corpus: Section[] = [
  {
    title: 'nobody',
    operations: [
      ask('is told so', '{ me { id name } }'),
      ask('may ask what the schema is', '{ __typename __type(name: "Money") { name fields { name } } }'),
      ask(
        'sees nothing of any domain',
        '{ organization { id } product(id: "x") { id } products { nodes { id } } order(id: "x") { id } orders { nodes { id } } payments { nodes { id } } emails { nodes { id } } orderOverview { nodes { id } } topProducts { name } revenueByDay(from: "2026-01-01", to: "2026-01-02") { day } insightsLag { seconds } operations { outboxLag { domain } } }',
      ),
      ask(
        'changes nothing',
        'mutation { archiveProduct(id: "x") { id } cancelOrder(id: "x") { id } createOrganization(input: { name: "N", slug: "nobodys" }) { id } leaveOrganization { id } discardDeadLetter(id: "x") { id } }',
      ),
      ask(
        'with a token that is none',
        '{ me { id } products { nodes { id } } }',
        {},
        { headers: { authorization: 'Bearer nonsense' } },
      ),
      ask(
        'with a key that is none',
        '{ orders { nodes { id } } }',
        {},
        { headers: { authorization: `Bearer ofs_${'A'.repeat(72)}` } },
      ),
      ask(
        'with a cookie of another origin',
        '{ me { id } orders { nodes { id } } }',
        {},
        { headers: { cookie: 'offshoot_session=x', origin: 'https://evil.example' } },
      ),
    ],
  },
  {
    title: 'a person',
    as: 'owner@acme.test',
    operations: [
      ask('is told who they are', '{ me { id name email memberships { role organization { id slug name plan } } } }'),
      ask(
        'sees the organization',
        '{ organization { id slug name plan members { id role user { id name email memberships { role } } } invitations { id } apiKeys { id } auditLog { nodes { action } } } }',
      ),
    ],
  },
  {
    title: 'a person of two tenants',
    as: 'both@offshoot.test',
    operations: [
      ask('sees both', '{ me { name memberships { role organization { slug } } } }'),
      ask('must say which', '{ products(first: 1) { nodes { id } } orders(first: 1) { nodes { id } } }'),
      ask(
        'says acme',
        '{ organization { slug } products(first: 1) { nodes { sku price { currency } } } }',
        {},
        { headers: { 'x-tenant': 'acme' } },
      ),
      ask(
        'says globex',
        '{ organization { slug } products(first: 1) { nodes { sku price { currency } } } }',
        {},
        { headers: { 'x-tenant': 'globex' } },
      ),
      ask(
        'says one that is not',
        '{ me { name } organization { slug } orders { nodes { id } } }',
        {},
        { headers: { 'x-tenant': 'nowhere' } },
      ),
      ask(
        'is no manager of either',
        '{ payments { nodes { id } } emails { nodes { id } } topProducts { name } organization { slug auditLog { nodes { action } } apiKeys { id } } }',
        {},
        { headers: { 'x-tenant': 'acme' } },
      ),
    ],
  },
  {
    title: 'an owner in a tenant that is not theirs',
    as: 'owner@acme.test',
    tenant: 'globex',
    operations: [
      ask(
        'reads nothing',
        '{ me { name } organization { slug } products { nodes { id } } orders { nodes { id } } payments { nodes { id } } }',
      ),
      ask('writes nothing', create, newProduct({})),
    ],
  },
  {
    title: 'a product',
    as: 'owner@acme.test',
    operations: [
      ask('by its id', `query ($id: ID!) { product(id: $id) { ${productFields} } }`, { id: product('acme', 0) }),
      ask(
        'with its sales',
        'query ($id: ID!) { product(id: $id) { name sales { unitsSold revenue { amount currency } } } }',
        { id: product('acme', 13) },
      ),
      ask(
        'twenty at once',
        `{ ${Array.from({ length: 20 }, (_, i) => `p${i}: product(id: "${product('acme', i)}") { sku }`).join(' ')} }`,
      ),
      ask(
        'there, missing and elsewhere side by side',
        `{ here: product(id: "${product('acme', 1)}") { name } missing: product(id: "${nowhere}") { name } theirs: product(id: "${product('globex', 1)}") { name } again: product(id: "${product('acme', 1)}") { name } }`,
      ),
      ...oddIds(order('acme', 0), order('globex', 0), product('acme', 0)).map(([what, id]) =>
        ask(`by an id ${what}`, 'query ($id: ID!) { order(id: $id) { status } }', { id }),
      ),
    ],
  },
  {
    title: 'products',
    as: 'member@acme.test',
    operations: [
      ask(
        'of the first page',
        `{ products { nodes { ${productFields} } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
      ),
      ask(
        'with edges',
        '{ products(first: 3) { edges { cursor node { sku } } nodes { sku } pageInfo { endCursor } } }',
        {},
        { keep: { page: 'data.products.pageInfo.endCursor' } },
      ),
      ask(
        'of the next page',
        'query ($after: String) { products(first: 3, after: $after) { edges { cursor node { sku } } pageInfo { hasNextPage endCursor } } }',
        { after: '{page}' },
      ),
      ask('after nothing', 'query ($after: String) { products(first: 2, after: $after) { nodes { sku } } }', {
        after: null,
      }),
      ask('as many as there may be', '{ products(first: 1000) { nodes { sku } pageInfo { hasNextPage } } }'),
      ask('by name', '{ products(search: "hammer", first: 5) { nodes { sku name } pageInfo { hasNextPage } } }'),
      ask('by SKU', '{ products(search: "sku-001") { nodes { sku name } } }'),
      ask(
        'by what nothing is called',
        '{ products(search: "zeppelin") { nodes { sku } pageInfo { hasNextPage startCursor endCursor } } }',
      ),
      ask('by wildcards, which are none', '{ products(search: "%_") { nodes { sku } } }'),
      ask('by nothing', '{ products(search: "", first: 1) { nodes { sku } } }'),
      ask('none', '{ products(first: 0) { nodes { sku } } }'),
      ask('fewer than none', '{ products(first: -1) { nodes { sku } } }'),
      ask('more than numbers go', '{ products(first: 99999999999) { nodes { sku } } }'),
      ask('half of one', '{ products(first: 0.5) { nodes { sku } } }'),
      ask('after what is no cursor', '{ products(after: "nonsense") { nodes { sku } } }'),
      ask(
        'after a cursor of another list',
        `{ products(after: "${cursor('Order', 'acme', order('acme', 1))}") { nodes { sku } } }`,
      ),
      ask(
        'after a cursor of another tenant',
        `{ products(after: "${cursor('Product', 'globex', product('globex', 1))}") { nodes { sku } } }`,
      ),
      ask(
        'after a product that is not',
        `{ products(first: 1, after: "${cursor('Product', 'acme', nowhere)}") { nodes { sku } } }`,
      ),
      ask(
        'searched by a text of 1,000 characters',
        'query ($search: String) { products(search: $search) { nodes { sku } } }',
        { search: 'x'.repeat(1_000) },
      ),
      ask('and their sales, which are not for members', '{ products(first: 3) { nodes { sku sales { unitsSold } } } }'),
    ],
  },
  {
    title: 'writing products',
    as: 'owner@acme.test',
    operations: [
      ask('creates one', create, newProduct({ description: 'Ümläut, “quotes” and 🦔' }), {
        keep: { product: 'data.createProduct.id' },
      }),
      ask('refuses the same SKU', create, newProduct({ name: 'Other' })),
      ask('creates one without description', create, newProduct({ sku: 'NEW-2', description: null }), {
        keep: { second: 'data.createProduct.id' },
      }),
      ask(
        'creates one that costs nothing',
        create,
        newProduct({ sku: 'NEW-3', price: { amount: '0', currency: 'JPY' } }),
        { keep: { free: 'data.createProduct.id' } },
      ),
      ...[
        ['a negative stock', { stock: -1 }],
        ['too large a stock', { stock: 3_000_000_000 }],
        ['half a stock', { stock: 1.5 }],
        ['no name', { name: '' }],
        ['a name of blanks', { name: '   ' }],
        ['a long name', { name: 'n'.repeat(1_000) }],
        ['a NUL', { name: 'a\u0000b' }],
        ['half a surrogate pair', { name: 'a\ud800b' }],
        ['no SKU', { sku: '' }],
        ['a price that is no number', { price: { amount: 'free', currency: 'EUR' } }],
        ['a price of too many digits', { price: { amount: '1.005', currency: 'EUR' } }],
        ['a negative price', { price: { amount: '-1', currency: 'EUR' } }],
        ['a price too large', { price: { amount: '99999999999999999999', currency: 'EUR' } }],
        ['a currency that is none', { price: { amount: '1', currency: 'XXXX' } }],
        ['a price without currency', { price: { amount: '1' } }],
        ['a field that does not exist', { colour: 'red' }],
      ].map(([what, input]) => ask(`refuses ${what}`, create, newProduct({ sku: 'BAD-1', ...(input as object) }))),
      ask('changes one', update, {
        input: { id: '{product}', name: 'Newer', price: { amount: '9.99', currency: 'EUR' } },
      }),
      ask('takes a description away', update, { input: { id: '{product}', description: null } }),
      ask('changes nothing', update, { input: { id: '{product}' } }),
      ask('refuses a SKU that is taken', update, { input: { id: '{product}', sku: 'NEW-2' } }),
      ask('does not find one that is not', update, { input: { id: nowhere, name: 'X' } }),
      ask('does not find another tenant’s', update, { input: { id: product('globex', 2), name: 'X' } }),
      ask('archives one', 'mutation ($id: ID!) { archiveProduct(id: $id) { sku archived } }', { id: '{second}' }),
      ask('archives it again', 'mutation ($id: ID!) { archiveProduct(id: $id) { sku archived } }', { id: '{second}' }),
      ask('does not archive another tenant’s', 'mutation ($id: ID!) { archiveProduct(id: $id) { sku } }', {
        id: product('globex', 2),
      }),
      ask('shows what it did', '{ products(first: 3) { nodes { sku name archived price { amount currency } } } }'),
      ask(
        'in one request, one after the other',
        `mutation ($a: UpdateProductInput!, $b: UpdateProductInput!, $c: UpdateProductInput!) {
        a: updateProduct(input: $a) { name } b: updateProduct(input: $b) { name } c: updateProduct(input: $c) { name stock }
      }`,
        {
          a: { id: '{product}', name: 'A' },
          b: { id: nowhere, name: 'B' },
          c: { id: '{product}', name: 'C', stock: 50 },
        },
      ),
    ],
  },
  {
    title: 'a member',
    as: 'member@acme.test',
    operations: [
      ask('creates no products', create, newProduct({ sku: 'M-1' })),
      ask('archives none', 'mutation ($id: ID!) { archiveProduct(id: $id) { id } }', { id: product('acme', 5) }),
      ask('invites nobody', 'mutation { inviteMember(input: { email: "x@acme.test", role: OWNER }) { id } }'),
      ask(
        'changes no roles',
        `mutation { changeMemberRole(input: { id: "${member('acme', 'owner@acme.test')}", role: MEMBER }) { id } }`,
      ),
      ask(
        'sees orders, but no payments',
        '{ orders(first: 2) { nodes { id status payment { status } lines { product { name sales { unitsSold } } } } } }',
      ),
      ask(
        'sees nothing that is for managers',
        '{ payments { nodes { id } } emails { nodes { id } } orderOverview { nodes { id } } topProducts { name } revenueByDay(from: "2026-01-01", to: "2026-01-02") { day } insightsLag { waiting } }',
      ),
      ask('is no operator', '{ operations { outboxLag { domain } deadLetters { nodes { id } } } }'),
      ask(
        'replays nothing',
        `mutation { replayDeadLetter(id: "${nowhere}") { id } discardDeadLetter(id: "nonsense") { id } }`,
      ),
    ],
  },
  {
    title: 'an order',
    as: 'owner@acme.test',
    operations: [
      ask('by its id', `query ($id: ID!) { order(id: $id) { ${orderFields} } }`, { id: order('acme', 0) }),
      ask('that was cancelled', `query ($id: ID!) { order(id: $id) { ${everywhere} cancelReason } }`, {
        id: order('acme', 9),
      }),
      ask('over all domains', `query ($id: ID!) { order(id: $id) { ${everywhere} } }`, { id: order('acme', 3) }),
      ...oddIds(product('acme', 0), product('globex', 0), order('acme', 0)).map(([what, id]) =>
        ask(`by an id ${what}`, 'query ($id: ID!) { product(id: $id) { sku } }', { id }),
      ),
    ],
  },
  {
    title: 'orders',
    as: 'owner@acme.test',
    operations: [
      ask('twenty, over all domains', `{ orders { nodes { ${everywhere} } pageInfo { hasNextPage endCursor } } }`),
      ask(
        'with edges and cursors',
        '{ orders(first: 2) { edges { cursor node { id } } pageInfo { startCursor endCursor hasPreviousPage } } }',
        {},
        { keep: { page: 'data.orders.pageInfo.endCursor' } },
      ),
      ask(
        'of the next page',
        'query ($after: String) { orders(first: 2, after: $after) { nodes { id } pageInfo { hasNextPage } } }',
        { after: '{page}' },
      ),
      ask(
        'that were cancelled',
        '{ orders(status: CANCELLED, first: 100) { nodes { id cancelReason } pageInfo { hasNextPage } } }',
      ),
      ask('that are pending', '{ orders(status: PENDING) { nodes { id } pageInfo { startCursor } } }'),
      ask('of a status that is none', '{ orders(status: LOST) { nodes { id } } }'),
      ask(
        'of a status in a variable that is none',
        'query ($status: OrderStatus) { orders(status: $status) { nodes { id } } }',
        { status: 'LOST' },
      ),
      ask('all', '{ orders(first: 100) { nodes { id status total { amount } } pageInfo { hasNextPage } } }'),
      ask(
        'after a cursor of products',
        `{ orders(after: "${cursor('Product', 'acme', product('acme', 1))}") { nodes { id } } }`,
      ),
      ask('none', '{ orders(first: 0) { nodes { id } } }'),
    ],
  },
  {
    title: 'placing orders',
    as: 'owner@acme.test',
    operations: [
      ask(
        'takes one',
        place,
        { input: { lines: lines([inStock[0]!, 2], [inStock[1]!, 1]), idempotencyKey: 'one' } },
        { keep: { order: 'data.placeOrder.id' } },
      ),
      ask(
        'answers the same for the same key',
        `mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { id total { amount } } }`,
        { input: { lines: lines([inStock[0]!, 2], [inStock[1]!, 1]), idempotencyKey: 'one' } },
      ),
      ask('refuses the key for another order', place, {
        input: { lines: lines([inStock[2]!, 1]), idempotencyKey: 'one' },
      }),
      ask('confirms it', `query ($id: ID!) { order(id: $id) { ${everywhere} } }`, { id: '{order}' }),
      ask(
        'takes one of which the card is declined',
        place,
        { input: { lines: lines([inStock[3]!, 1]), idempotencyKey: 'two', paymentMethod: 'pm_declined' } },
        { keep: { declined: 'data.placeOrder.id' } },
      ),
      ask('cancels that', `query ($id: ID!) { order(id: $id) { ${everywhere} cancelReason } }`, { id: '{declined}' }),
      ask(
        'takes one of more than there is',
        place,
        { input: { lines: lines(['{product}', 51]), idempotencyKey: 'three' } },
        { keep: { short: 'data.placeOrder.id' } },
      ),
      ask('cancels that, too', `query ($id: ID!) { order(id: $id) { ${everywhere} cancelReason } }`, { id: '{short}' }),
      ask(
        'takes one that costs nothing',
        place,
        { input: { lines: lines(['{free}', 1]), idempotencyKey: 'four' } },
        { keep: { gift: 'data.placeOrder.id' } },
      ),
      ask('confirms that', `query ($id: ID!) { order(id: $id) { ${everywhere} } }`, { id: '{gift}' }),
      ask('takes a product twice', place, {
        input: { lines: lines([inStock[4]!, 1], [inStock[4]!, 2]), idempotencyKey: 'five' },
      }),
      ...(
        [
          ['no lines', { lines: [] }],
          ['nothing of a product', { lines: lines([inStock[0]!, 0]) }],
          ['too much of a product', { lines: lines([inStock[0]!, 2_000_000_000]) }],
          ['a product that is not', { lines: lines([nowhere, 1]) }],
          ['another tenant’s product', { lines: lines([product('globex', 0), 1]) }],
          ['a product beside one that is not', { lines: lines([inStock[0]!, 1], [nowhere, 1]) }],
          ['a product that is archived', { lines: lines(['{second}', 1]) }],
          ['two currencies', { lines: lines([inStock[0]!, 1], ['{free}', 1]) }],
          ['an id that is none', { lines: lines(['nonsense', 1]) }],
          ['an empty key', { idempotencyKey: '' }],
          ['a key of 1,000 characters', { idempotencyKey: 'k'.repeat(1_000) }],
          ['no key', { idempotencyKey: undefined }],
          ['101 lines', { lines: lines(...Array.from({ length: 101 }, (_, i): [string, number] => [inStock[i]!, 1])) }],
        ] as [string, object][]
      ).map(([what, input]) =>
        ask(`refuses ${what}`, place, {
          input: { lines: lines([inStock[0]!, 1]), idempotencyKey: `bad ${what}`, ...input },
        }),
      ),
      ask('cancels an order', 'mutation ($id: ID!) { cancelOrder(id: $id) { status cancelReason } }', {
        id: '{order}',
      }),
      ask('cancels it again', 'mutation ($id: ID!) { cancelOrder(id: $id) { status cancelReason } }', {
        id: '{order}',
      }),
      ask('gives its money back', `query ($id: ID!) { order(id: $id) { ${everywhere} } }`, { id: '{order}' }),
      ask(
        'cancels one of the demo',
        'mutation ($id: ID!) { cancelOrder(id: $id) { status cancelReason payment { status } } }',
        { id: order('acme', 20) },
      ),
      ask('does not cancel another tenant’s', 'mutation ($id: ID!) { cancelOrder(id: $id) { status } }', {
        id: order('globex', 20),
      }),
      ask('does not cancel one that is not', 'mutation ($id: ID!) { cancelOrder(id: $id) { status } }', {
        id: nowhere,
      }),
      ask('does not cancel what is no id', 'mutation ($id: ID!) { cancelOrder(id: $id) { status } }', {
        id: 'nonsense',
      }),
    ],
  },
  {
    title: 'payments, mails and insights',
    as: 'owner@acme.test',
    operations: [
      ask(
        'payments with their orders',
        '{ payments(first: 5) { nodes { status failure amount { amount currency } createdAt order { id status lines { product { sku } } } } pageInfo { hasNextPage } } }',
      ),
      ask(
        'payments of the demo',
        `{ payments(first: 3, after: "${cursor('Payment', 'acme', demoId('payment', 'acme:demo-40', demoOrders('acme')[39]!.createdAt))}") { edges { cursor node { id status } } pageInfo { hasNextPage endCursor } } }`,
      ),
      ask('payments after what is no cursor', '{ payments(after: "x") { nodes { id } } }'),
      ask(
        'mails',
        '{ emails(first: 10) { nodes { template status user { name email } sentAt } pageInfo { hasNextPage } } }',
      ),
      ask(
        'orders at a glance',
        '{ orderOverview(first: 6) { nodes { id status cancelReason customer { name } productNames total { amount currency } placedAt order { status lines { quantity } } } pageInfo { hasNextPage endCursor } } }',
      ),
      ask(
        'orders at a glance, cancelled',
        '{ orderOverview(first: 50, status: CANCELLED) { nodes { id cancelReason } } }',
      ),
      ask(
        'revenue by day',
        '{ revenueByDay(from: "2026-02-01", to: "2026-02-10") { day orders amount { amount currency } } }',
      ),
      ask(
        'revenue of one day',
        '{ revenueByDay(from: "2026-02-02", to: "2026-02-02") { day orders amount { amount } } }',
      ),
      ask('revenue backwards', '{ revenueByDay(from: "2026-02-10", to: "2026-02-01") { day } }'),
      ask('revenue of too many days', '{ revenueByDay(from: "2020-01-01", to: "2026-01-01") { day } }'),
      ask('revenue of a day that is none', '{ revenueByDay(from: "2026-02-30", to: "2026-03-01") { day } }'),
      ask(
        'revenue of a day in a variable that is none',
        'query ($from: Date!) { revenueByDay(from: $from, to: "2026-03-01") { day } }',
        { from: 'tomorrow' },
      ),
      ask(
        'top products',
        '{ topProducts(first: 5) { name sku unitsSold revenue { amount currency } product { id stock sales { unitsSold } } } }',
      ),
      ask('top products, none', '{ topProducts(first: 0) { name } }'),
      ask('the lag', '{ insightsLag { seconds waiting } }'),
    ],
  },
  {
    title: 'the organization',
    as: 'owner@acme.test',
    operations: [
      ask(
        'invites somebody',
        'mutation { inviteMember(input: { email: "new@acme.test", role: ADMIN }) { id email role expiresAt createdAt invitedBy { name } } }',
        {},
        { keep: { invitation: 'data.inviteMember.id' } },
      ),
      ask(
        'invites them again',
        'mutation { inviteMember(input: { email: "new@acme.test", role: MEMBER }) { email role } }',
      ),
      ask('invites a member', 'mutation { inviteMember(input: { email: "member@acme.test", role: MEMBER }) { id } }'),
      ask('invites no address', 'mutation { inviteMember(input: { email: "nonsense", role: MEMBER }) { id } }'),
      ask('shows invitations', '{ organization { invitations { email role invitedBy { name } } } }'),
      ask('revokes an invitation', 'mutation ($id: ID!) { revokeInvitation(id: $id) { email } }', {
        id: '{invitation}',
      }),
      ask('revokes none that is not', `mutation { revokeInvitation(id: "${nowhere}") { email } }`),
      ask(
        'changes a role',
        `mutation { changeMemberRole(input: { id: "${member('acme', 'member@acme.test')}", role: ADMIN }) { role user { name } } }`,
      ),
      ask(
        'changes it back',
        `mutation { changeMemberRole(input: { id: "${member('acme', 'member@acme.test')}", role: MEMBER }) { role user { name } } }`,
      ),
      ask(
        'changes no role of another tenant’s member',
        `mutation { changeMemberRole(input: { id: "${member('globex', 'owner@globex.test')}", role: MEMBER }) { role } }`,
      ),
      ask(
        'keeps its last owner',
        `mutation { changeMemberRole(input: { id: "${member('acme', 'owner@acme.test')}", role: MEMBER }) { role } }`,
      ),
      ask('cannot be left by its last owner', 'mutation { leaveOrganization { slug } }'),
      ask('removes nobody who is not', `mutation { removeMember(id: "${nowhere}") { slug } }`),
      ask(
        'makes a key',
        'mutation { createApiKey(input: { name: "reader", scopes: ["product:read", "order:read"] }) { secret apiKey { id name prefix scopes createdBy { name } expiresAt revokedAt } } }',
        {},
        { keep: { reader: 'data.createApiKey.secret', readerId: 'data.createApiKey.apiKey.id' } },
      ),
      ask(
        'makes no key for what is no action',
        'mutation { createApiKey(input: { name: "x", scopes: ["product:destroy"] }) { secret } }',
      ),
      ask('makes no key without scopes', 'mutation { createApiKey(input: { name: "x", scopes: [] }) { secret } }'),
      ask(
        'makes no key that has expired',
        'mutation { createApiKey(input: { name: "x", scopes: ["product:read"], expiresAt: "2020-01-01T00:00:00Z" }) { secret } }',
      ),
      ask(
        'makes no key until a time that is none',
        'mutation { createApiKey(input: { name: "x", scopes: ["product:read"], expiresAt: "soon" }) { secret } }',
      ),
      ask('shows keys', '{ organization { apiKeys { name scopes createdBy { name } revokedAt } } }'),
      ask('has a name that is taken', 'mutation { createOrganization(input: { name: "A", slug: "globex" }) { id } }'),
      ask('has a slug that is none', 'mutation { createOrganization(input: { name: "A", slug: "No Slug" }) { id } }'),
      ask(
        'can be made',
        'mutation { createOrganization(input: { name: "Initech", slug: "initech" }) { slug name plan } }',
      ),
      ask(
        'changes its plan by staff only',
        'mutation { changePlan(input: { slug: "acme", plan: ENTERPRISE }) { plan } }',
      ),
      ask('has its record', '{ organization { slug } }', {}, { headers: { 'x-tenant': 'acme' } }),
      ask(
        'has its record, entry by entry',
        '{ organization { auditLog(first: 8) { nodes { action actorType targetType } pageInfo { hasNextPage } } } }',
        {},
        { headers: { 'x-tenant': 'acme' } },
      ),
    ],
  },
  {
    title: 'an API key',
    as: '{reader}',
    operations: [
      ask('acts for whoever made it', '{ me { id } }'),
      ask(
        'reads what its scopes say',
        '{ products(first: 2) { nodes { sku } } orders(first: 2) { nodes { status lines { product { sku } } } } }',
      ),
      ask(
        'and nothing else',
        '{ payments { nodes { id } } topProducts { name } organization { slug members { role } auditLog { nodes { action } } } orders(first: 1) { nodes { payment { status } placedBy { name } } } }',
      ),
      ask('writes nothing', create, newProduct({ sku: 'K-1' })),
      ask('places no orders', place, { input: { lines: lines([product('acme', 0), 1]), idempotencyKey: 'key' } }),
      ask('is of no other tenant', '{ products { nodes { sku } } }', {}, { headers: { 'x-tenant': 'globex' } }),
      ask('is no operator', '{ operations { outboxLag { domain } } }'),
    ],
  },
  {
    title: 'a key that is revoked',
    as: 'owner@acme.test',
    tenant: 'acme',
    operations: [
      ask('is marked', 'mutation ($id: ID!) { revokeApiKey(id: $id) { name } }', { id: '{readerId}' }),
      ask('opens nothing', '{ products { nodes { sku } } }', {}, { headers: { authorization: 'Bearer {reader}' } }),
      ask('may be revoked once more', 'mutation ($id: ID!) { revokeApiKey(id: $id) { name } }', { id: '{readerId}' }),
    ],
  },
  {
    title: 'staff',
    as: 'operator@offshoot.test',
    operations: [
      ask('sees dead letters', '{ operations { deadLetters { nodes { id } pageInfo { hasNextPage endCursor } } } }'),
      ask(
        'sees those of one domain',
        '{ operations { deadLetters(domain: "orders", handler: "x") { nodes { id } } } }',
      ),
      ask('sees none of a domain that is not', '{ operations { deadLetters(domain: "nowhere") { nodes { id } } } }'),
      ask('replays none that is not', `mutation { replayDeadLetter(id: "${nowhere}") { id } }`),
      ask('discards none that is not', 'mutation { discardDeadLetter(id: "nonsense") { id } }'),
      ask('changes a plan', 'mutation { changePlan(input: { slug: "globex", plan: PRO }) { slug plan } }'),
      ask(
        'changes none of an organization that is not',
        'mutation { changePlan(input: { slug: "nowhere", plan: PRO }) { slug } }',
      ),
      ask('sees no tenant’s data', '{ me { name } products { nodes { id } } orders { nodes { id } } }'),
      ask(
        'sees none of one that it names',
        '{ organization { slug } products { nodes { id } } }',
        {},
        { headers: { 'x-tenant': 'acme' } },
      ),
    ],
  },
  {
    title: 'the other tenant',
    as: 'owner@globex.test',
    operations: [
      ask(
        'sees its own',
        `{ organization { slug plan } products(first: 2) { nodes { sku price { currency } } } orders(first: 2) { nodes { ${everywhere} } } payments(first: 1) { nodes { status } } topProducts(first: 1) { name } }`,
      ),
      ask(
        'sees nothing of acme’s',
        `{ order(id: "${order('acme', 1)}") { id } product(id: "${product('acme', 1)}") { id } }`,
      ),
    ],
  },
  {
    title: 'the language',
    as: 'owner@acme.test',
    tenant: 'acme',
    operations: [
      ask('has aliases', '{ a: products(first: 1) { b: nodes { c: sku d: price { e: amount } } } f: me { g: name } }'),
      ask(
        'has fragments',
        'query { orders(first: 2) { nodes { ...order } } } fragment order on Order { id ...money lines { product { ...product } } } fragment money on Order { total { amount } } fragment product on Product { sku }',
      ),
      ask(
        'has inline fragments and directives',
        'query ($no: Boolean!) { me { ... on User { name } email @skip(if: $no) id @include(if: $no) } }',
        { no: true },
      ),
      ask('has names for operations', 'query A { me { name } } query B { me { email } }', {}, { operationName: 'B' }),
      ask('needs the name of one of several', 'query A { me { name } } query B { me { email } }'),
      ask(
        'has types',
        '{ products(first: 1) { __typename nodes { __typename price { __typename } } } me { __typename } }',
      ),
      ask('has the same field twice', '{ products(first: 1) { nodes { sku } } products(first: 1) { nodes { name } } }'),
      ask(
        'refuses the same field twice with other arguments',
        '{ products(first: 1) { nodes { sku } } products(first: 2) { nodes { name } } }',
      ),
      ask('refuses what is no document', '{ me { '),
      ask('refuses fields that do not exist', '{ me { age } product(id: "x") { colour } }'),
      ask('refuses arguments that do not exist', '{ products(last: 1) { nodes { sku } } }'),
      ask('refuses a missing argument', '{ product { sku } }'),
      ask('refuses a missing variable', 'query ($id: ID!) { product(id: $id) { sku } }'),
      ask('refuses a variable of another type', 'query ($id: Int!) { product(id: $id) { sku } }', { id: 1 }),
      ask('refuses an object without fields', '{ me }'),
      ask('refuses fragments in a circle', '{ me { ...a } } fragment a on User { ...b } fragment b on User { ...a }'),
      ask(
        'refuses what is too deep',
        `{ orders { nodes ${'{ payment { order '.repeat(6)} { id } ${'} }'.repeat(6)} } }`,
      ),
      ask('refuses too many aliases', `{ ${Array.from({ length: 31 }, (_, i) => `a${i}: me { name }`).join(' ')} }`),
      ask('refuses too many tokens', `{ me { ${'name '.repeat(2_100)} } }`),
      ask('refuses a subscription', 'subscription { orders { id } }'),
      ask('defaults', 'query ($first: Int = 2) { products(first: $first) { nodes { sku } } }'),
    ],
  },
  {
    title: 'HTTP',
    operations: [
      http('no JSON', 'POST', '/graphql', '{"query'),
      http('nothing', 'POST', '/graphql', ''),
      http('a batch', 'POST', '/graphql', [{ query: '{ me { id } }' }]),
      http('by PUT', 'PUT', '/graphql', {}),
      http('as a form', 'POST', '/graphql', 'query=x', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
      http('nothing there', 'GET', '/nothing'),
      http('the calls of services, which are not for the public', 'POST', '/calls/catalog/list', { first: 1 }),
      http('live', 'GET', '/livez'),
    ],
  },
  {
    title: 'the routes of identity',
    operations: [
      http(
        'sign in',
        'POST',
        '/api/auth/sign-in/email',
        { email: 'owner@acme.test', password },
        { keep: { session: 'header:set-auth-token' } },
      ),
      http('show the session', 'GET', '/api/auth/get-session', undefined, {
        headers: { authorization: 'Bearer {session}' },
      }),
      http('sign in with a wrong password', 'POST', '/api/auth/sign-in/email', {
        email: 'owner@acme.test',
        password: 'wrong-password',
      }),
      http('sign in as nobody', 'POST', '/api/auth/sign-in/email', { email: 'nobody@acme.test', password }),
      http('sign in without a password', 'POST', '/api/auth/sign-in/email', { email: 'owner@acme.test' }),
      http('sign in with what is no JSON', 'POST', '/api/auth/sign-in/email', '{"email'),
      http('sign in with a form', 'POST', '/api/auth/sign-in/email', 'email=x', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
      http(
        'sign in from another origin',
        'POST',
        '/api/auth/sign-in/email',
        { email: 'owner@acme.test', password },
        { headers: { origin: 'https://evil.example' } },
      ),
      http('sign in with too much', 'POST', '/api/auth/sign-in/email', { email: 'x'.repeat(20_000), password }),
      http('no session', 'GET', '/api/auth/get-session'),
      http('a session by a token that is none', 'GET', '/api/auth/get-session', undefined, {
        headers: { authorization: 'Bearer nonsense' },
      }),
      http('sign up', 'POST', '/api/auth/sign-up/email', {
        email: 'fresh@acme.test',
        password: 'a-password-of-its-own',
        name: 'Fresh',
      }),
      http('sign up with a short password', 'POST', '/api/auth/sign-up/email', {
        email: 'short@acme.test',
        password: 'x',
        name: 'Short',
      }),
      http('a route that is closed', 'POST', '/api/auth/delete-user', {}),
      http('a route that is not', 'GET', '/api/auth/nothing?x=%2F'),
      http('sign out', 'POST', '/api/auth/sign-out', {}, { headers: { authorization: 'Bearer {session}' } }),
      http('no session any more', 'GET', '/api/auth/get-session', undefined, {
        headers: { authorization: 'Bearer {session}' },
      }),
    ],
  },
  {
    title: 'a domain that fails unexpectedly',
    as: 'owner@acme.test',
    tenant: 'acme',
    given: 'catalog has lost a column',
    operations: [
      ask(
        'takes its own fields',
        '{ me { name } products(first: 1) { nodes { sku } } orders(first: 2) { nodes { id lines { name product { name } } } } }',
      ),
      ask('and its mutations', create, newProduct({ sku: 'LOST-1' })),
      ask('and what needs it', place, { input: { lines: lines([product('acme', 0), 1]), idempotencyKey: 'lost' } }),
    ],
  },
  {
    title: 'a domain that is too slow',
    as: 'owner@acme.test',
    tenant: 'acme',
    given: 'orders is locked',
    operations: [
      ask(
        'takes its own fields',
        '{ orders(first: 1) { nodes { id } } products(first: 1) { nodes { sku } } payments(first: 1) { nodes { status order { status } } } }',
      ),
    ],
  },
  {
    title: 'a domain that is down',
    as: 'owner@acme.test',
    tenant: 'acme',
    given: 'catalog cannot be reached',
    operations: [
      ask(
        'takes its own fields',
        `{ products(first: 1) { nodes { sku } } product(id: "${product('acme', 1)}") { sku } orders(first: 2) { nodes { id lines { name product { name } } } } topProducts(first: 1) { name product { sku } } }`,
      ),
      ask('and its mutations', update, { input: { id: product('acme', 1), name: 'X' } }),
      ask('and what needs it', place, { input: { lines: lines([product('acme', 0), 1]), idempotencyKey: 'down' } }),
    ],
  },
  {
    title: 'after all that',
    as: 'owner@acme.test',
    tenant: 'acme',
    operations: [
      ask('all is well', `{ products(first: 1) { nodes { sku } } orders(first: 2) { nodes { ${everywhere} } } }`),
    ],
  },
]
