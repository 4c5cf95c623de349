import { limits } from '@offshoot/graphql'
import { tenantId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type TestGateway, testGateway } from './gateway.ts'
import { expectRefused, expectWellFormed } from './refusals.ts'

type Ask = (query: string, variables?: Record<string, unknown>) => Promise<Answer>

let gateway: TestGateway
let ask: Ask
beforeAll(async () => {
  gateway = await testGateway()
  ask = await gateway.as('owner@acme.test')
})
afterAll(() => gateway.close())

const log =
  'query ($first: Int, $after: String) { organization { auditLog(first: $first, after: $after) { nodes { id } pageInfo { endCursor } } } }'
const create = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { name } } }'
const key = (changes: object) => ({ input: { name: 'key', scopes: ['organization:read'], ...changes } })

async function send(init: RequestInit, path = '/graphql'): Promise<Answer> {
  const response = await fetch(gateway.url.replace('localhost', '127.0.0.1') + path, init)
  const text = await response.text()
  const { data, errors } = text.startsWith('{') ? JSON.parse(text) : { data: text, errors: undefined }
  return { status: response.status, headers: response.headers, data, errors }
}

const json = { 'content-type': 'application/json' }
const posted = (body: RequestInit['body'], headers: Record<string, string> = json) =>
  send({ method: 'POST', headers, body })

describe('a request that is no GraphQL request', () => {
  it.each([
    ['malformed JSON', '{"query": "{ me'],
    ['nothing', ''],
    ['text', '"{ me { id } }"'],
    ['null', 'null'],
    ['a batch', '[{"query":"{ me { id } }"}]'],
    ['no query', '{"variables":{}}'],
    ['a query that is no text', '{"query":1}'],
    ['variables that are none', '{"query":"{ me { id } }","variables":"x"}'],
    ['an operation name that is no text', '{"query":"{ me { id } }","operationName":1}'],
    ['a parameter that does not exist', '{"query":"{ me { id } }","debug":true}'],
  ])('is refused: %s', async (_, body) => {
    await expectRefused(posted(body), 'BAD_USER_INPUT', 'BAD_REQUEST', 400)
    if (body)
      await expectRefused(posted(body, { ...json, accept: 'application/json' }), 'BAD_USER_INPUT', 'BAD_REQUEST', 400)
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/graphql',
    'application/json; charset=utf-16',
    'application/jsonp',
  ])('is refused as %s', async (type) => {
    await expectRefused(
      posted('{"query":"{ me { id } }"}', { 'content-type': type }),
      'BAD_USER_INPUT',
      'UNSUPPORTED_MEDIA_TYPE',
      415,
    )
  })

  it('is refused as a multipart form, and without a type', async () => {
    const form = new FormData()
    form.append('operations', '{"query":"mutation { leaveOrganization { id } }"}')
    form.append('map', '{}')
    await expectRefused(send({ method: 'POST', body: form }), 'BAD_USER_INPUT', 'UNSUPPORTED_MEDIA_TYPE', 415)
    const bare = { method: 'POST', body: new Uint8Array([123, 125]) }
    await expectRefused(send(bare), 'BAD_USER_INPUT', 'UNSUPPORTED_MEDIA_TYPE', 415)
  })

  it('is refused by any method but POST, and in the address', async () => {
    const query = '/graphql?query=%7Bme%7Bid%7D%7D'
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await send({ method, headers: json, body: method === 'GET' ? undefined : '{}' }, query)
      await expectRefused(answer, 'BAD_USER_INPUT', 'METHOD_NOT_ALLOWED', 405)
      expect(answer.headers.get('allow')).toBe('POST')
    }
    const both = { method: 'POST', headers: json, body: '{"query":"{ me { id } }"}' }
    await expectRefused(send(both, query), 'BAD_USER_INPUT', 'BAD_REQUEST', 400)
  })

  it('is refused when it wants an answer that is no JSON', async () => {
    for (const accept of ['text/event-stream', 'multipart/mixed', 'text/html', 'application/json; charset=utf-16']) {
      const answer = posted('{"query":"{ me { id } }"}', { ...json, accept })
      await expectRefused(answer, 'BAD_USER_INPUT', 'NOT_ACCEPTABLE', 406)
    }
    const mixed = await posted('{"query":"{ me { id } }"}', {
      ...json,
      accept: 'text/event-stream, application/json;q=0.5',
    })
    expect(mixed).toMatchObject({ status: 200, data: { me: null } })
  })

  it('is refused when it is too large, whatever it says about its length', async () => {
    const body = JSON.stringify({ query: log, variables: { after: 'x'.repeat(10 * 1024 * 1024) } })
    await expectRefused(posted(body), 'BAD_USER_INPUT', 'BODY_TOO_LARGE', 413)
    const stream = () => new Blob([body]).stream()
    const chunked = { method: 'POST', headers: json, body: stream(), duplex: 'half' } as RequestInit
    await expectRefused(send(chunked), 'BAD_USER_INPUT', 'BODY_TOO_LARGE', 413)
    const bomb = await new Response(stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()
    expect(bomb.byteLength).toBeLessThan(100_000)
    await expectRefused(posted(bomb, { ...json, 'content-encoding': 'gzip' }), 'BAD_USER_INPUT', 'BODY_TOO_LARGE', 413)
  })

  it('is refused when it cannot be unpacked', async () => {
    await expectRefused(posted('{}', { ...json, 'content-encoding': 'gzip' }), 'BAD_USER_INPUT', 'BAD_REQUEST', 400)
    await expectRefused(posted('{}', { ...json, 'content-encoding': 'lzma' }), 'BAD_USER_INPUT', 'BAD_REQUEST', 415)
  })

  it('is not found elsewhere', async () => {
    await expectRefused(send({}, '/graphql/x%00'), 'NOT_FOUND', 'ROUTE_NOT_FOUND', 404)
    await expectRefused(send({}, '/nowhere'), 'NOT_FOUND', 'ROUTE_NOT_FOUND', 404)
    await expectRefused(send({}, '/%E0%A4%A'), 'NOT_FOUND', 'ROUTE_NOT_FOUND', 404)
  })
})

describe('an operation that cannot be executed', () => {
  const nested = (depth: number) =>
    `{ organization ${'{ members { user { memberships { organization '.repeat(depth)}{ id }${' } } } }'.repeat(depth)} }`
  const cases: [string, string, string][] = [
    ['a syntax error', '{ me { ', 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', '{ me { nme } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['an unknown argument', '{ organization { auditLog(frist: 1) { nodes { id } } } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['a missing argument', 'mutation { revokeApiKey { id } }', 'GRAPHQL_VALIDATION_FAILED'],
    [
      'a value of the wrong type',
      '{ organization { auditLog(first: "1") { nodes { id } } } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'an enum value that is none',
      'mutation { inviteMember(input: { email: "a@b.test", role: LOST }) { id } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'a number beyond 32 bits',
      '{ organization { auditLog(first: 99999999999999999999) { nodes { id } } } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
    ['no such operation', 'query A { me { id } } query B { me { id } }', 'OPERATION_RESOLUTION_FAILURE'],
    ['too deep', nested(3), 'TOO_DEEP'],
    [
      'too deep by fragments',
      `{ organization { ...a } } fragment a on Organization { ${nested(3).slice(15, -2).slice(2, -2)} }`,
      'TOO_DEEP',
    ],
    [
      'too many aliases',
      `{ ${Array.from({ length: limits.aliases + 1 }, (_, i) => `a${i}: me { id }`).join(' ')} }`,
      'TOO_MANY_ALIASES',
    ],
    ['too many tokens', `{ me { ${'id '.repeat(limits.tokens)} } }`, 'TOO_MANY_TOKENS'],
    ['half a character', '{ organization { auditLog(after: "\\uD800") { nodes { id } } } }', 'GRAPHQL_PARSE_FAILED'],
  ]

  it.each(cases)('answers 200, and 400 by the specification: %s', async (_, query, reason) => {
    const { data } = await expectRefused(ask(query), 'BAD_USER_INPUT', reason)
    expect(data).toBeUndefined()
    const accept = { accept: 'application/graphql-response+json' }
    const precise = await gateway.ask(query, {}, { headers: accept })
    await expectRefused(precise, 'BAD_USER_INPUT', reason, 400)
    expect(precise.headers.get('content-type')).toBe('application/graphql-response+json; charset=utf-8')
  })

  it('answers 200 either way when it was executed and a field failed', async () => {
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const answer = await gateway.ask('{ me { id } organization { id } }', {}, { headers: { accept } })
      await expectRefused(answer, 'UNAUTHENTICATED', 'SIGN_IN_REQUIRED')
      expect(answer.data).toEqual({ me: null, organization: null })
    }
  })

  it('is refused fast, however its fragments multiply', async () => {
    const fragments = Array.from({ length: 150 }, (_, i) => `fragment f${i} on User { id ...f${i + 1} ...f${i + 1} }`)
    const began = performance.now()
    await expectRefused(
      ask(`{ me { ...f0 } } ${fragments.join(' ')} fragment f150 on User { id }`),
      'BAD_USER_INPUT',
      'TOO_DEEP',
    )
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

describe('input', () => {
  it.each([
    ['first', { first: 'ten' }],
    ['first', { first: 1.5 }],
    ['first', { first: 2 ** 31 }],
    ['after', { after: 7 }],
    ['after', { after: ['a'] }],
    ['after', { after: {} }],
  ])('of the wrong type is refused: %s %j', async (name, variables) => {
    const { errors } = await expectRefused(ask(log, variables), 'BAD_USER_INPUT', 'INVALID_INPUT')
    expect(errors![0]!.message).toContain(`"$${name}"`)
  })

  it('with a huge number is refused or taken as it is', async () => {
    const headers = { ...json, authorization: `Bearer ${await gateway.signIn('owner@acme.test')}` }
    for (const number of ['1e400', '-1e400', '9007199254740993', '2147483648', '1e308'])
      await expectRefused(
        posted(`{"query":${JSON.stringify(log)},"variables":{"first":${number}}}`, headers),
        'BAD_USER_INPUT',
        'INVALID_INPUT',
      )
  })

  it.each([
    'tomorrow',
    '2026-01-31',
    '2026-13-01T00:00:00Z',
    '2026-01-31T09:30:00',
    '2026-01-31T25:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '',
    0,
    1.5,
  ])('that is no DateTime is refused: %j', async (expiresAt) => {
    await expectRefused(ask(create, key({ expiresAt })), 'BAD_USER_INPUT', 'INVALID_INPUT')
    const literal = `mutation { createApiKey(input: { name: "key", scopes: ["organization:read"], expiresAt: ${JSON.stringify(expiresAt)} }) { secret } }`
    await expectRefused(ask(literal), 'BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED')
  })

  it('with NUL is refused, and other Unicode comes back as it was', async () => {
    await expectRefused(ask(create, key({ name: 'NUL\0' })), 'BAD_USER_INPUT', 'INVALID_INPUT')
    await expectRefused(ask(create, key({ name: '\ud800' })), 'BAD_USER_INPUT', 'INVALID_INPUT')
    const name = 'Ünï 🏃‍♀️ \u202e العربية "\'\\\u2028 \ufeffx'
    const { data } = await ask(create, key({ name }))
    expect(data.createApiKey.apiKey).toEqual({ name })
  })

  it.each([
    `'; DROP TABLE identity.member; --`,
    `' OR '1'='1`,
    `\\'; SELECT pg_sleep(10); --`,
    `%' UNION SELECT email FROM identity."user" --`,
    '%',
    '_',
    '\\',
    '$1',
    '") { nodes { id } } } me { email } x: organization { y: auditLog(after: "',
    '{ me { id } }',
    '#{1+1}{{7*7}}',
  ])('is text and nothing else: %s', async (text) => {
    const { data } = await ask(create, key({ name: text }))
    expect(data.createApiKey.apiKey).toEqual({ name: text })
    await expectRefused(ask(log, { after: text }), 'BAD_USER_INPUT', 'INVALID_CURSOR')
    const revoke = 'mutation ($id: ID!) { revokeApiKey(id: $id) { id } }'
    await expectRefused(ask(revoke, { id: text }), 'BAD_USER_INPUT', 'INVALID_INPUT')
  })

  it('named __proto__ is a name like any other', async () => {
    const aliased = await ask('{ __proto__: me { name } constructor: me { __proto__: name } }')
    expect(Object.getOwnPropertyDescriptor(aliased.data, '__proto__')?.value).toEqual({ name: 'Olga Owner' })
    const query = JSON.stringify('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }')
    const polluting = `{"query":${query},"variables":{"__proto__":{"id":"x","polluted":1}},"extensions":{"__proto__":{"polluted":1}}}`
    await expectRefused(posted(polluting), 'BAD_USER_INPUT', 'INVALID_INPUT')
    const nested = `{"query":${JSON.stringify(create)},"variables":{"input":{"__proto__":{"name":"n"},"scopes":["organization:read"]}}}`
    await expectRefused(posted(nested), 'BAD_USER_INPUT', 'INVALID_INPUT')
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})

describe('a page', () => {
  it.each([0, -1, -(2 ** 31)])('of %i is refused, as a literal and as a variable', async (first) => {
    const literal = `{ organization { auditLog(first: ${first}) { nodes { id } } } }`
    await expectRefused(ask(literal), 'BAD_USER_INPUT', 'INVALID_PAGE_SIZE')
    await expectRefused(ask(log, { first }), 'BAD_USER_INPUT', 'INVALID_PAGE_SIZE')
  })

  it('has at most 100, whatever is asked for, and 20 when nothing is', async () => {
    await audit('acme', 120)
    const lengthOf = async (answer: Promise<Answer>) => (await answer).data.organization.auditLog.nodes.length
    expect(await lengthOf(ask('{ organization { auditLog(first: 1000000) { nodes { id } } } }'))).toBe(100)
    expect(await lengthOf(ask(log, { first: 1_000_000 }))).toBe(100)
    expect(await lengthOf(ask(log, { first: 2 ** 31 - 1 }))).toBe(100)
    expect(await lengthOf(ask('{ organization { auditLog { nodes { id } } } }'))).toBe(20)
    expect(await lengthOf(ask(log, { first: null as never }))).toBe(20)
  })

  it('after what is no cursor of this list and this tenant is refused', async () => {
    for (const tenant of ['acme', 'globex']) await audit(tenant, 2)
    const globex = await gateway.as('owner@globex.test')
    const page = async (of: Ask, after?: string) => (await of(log, { first: 1, after })).data.organization.auditLog
    const [own, foreign] = await Promise.all([page(ask), page(globex)])
    const { endCursor } = own.pageInfo
    expect((await page(ask, endCursor)).nodes[0].id).not.toBe(own.nodes[0].id)
    const bad = [
      '',
      'x',
      '🏃',
      own.nodes[0].id,
      endCursor.slice(0, -4),
      `${endCursor}AAAA`,
      Buffer.from(`AuditEntry:${'0'.repeat(8)}:1' OR 1=1`).toString('base64url'),
      foreign.pageInfo.endCursor,
    ]
    for (const after of bad) await expectRefused(ask(log, { after }), 'BAD_USER_INPUT', 'INVALID_CURSOR')
  })
})

/** Makes so many entries in the audit log of a tenant. */
const audit = (tenant: string, count: number) =>
  gateway.database.admin(
    `INSERT INTO identity.audit_log (tenant_id, id, actor_kind, actor_id, action, target_type, target_id)
     SELECT $1, gen_random_uuid(), 'user', gen_random_uuid(), 'member.joined', 'member', gen_random_uuid() FROM generate_series(1, $2::int)`,
    [tenantId(tenant), count],
  )

describe('an id that is none', () => {
  it.each(['', 'x', '1', '\0', '🏃', '../../etc/passwd', '0'.repeat(10_000), '00000000-0000-0000-0000-000000000000'])(
    'finds nothing: %.40s',
    async (id) => {
      const mutations = ['revokeInvitation', 'acceptInvitation', 'removeMember', 'revokeApiKey']
      for (const name of mutations) {
        const answer = await ask(`mutation ($id: ID!) { ${name}(id: $id) { id } }`, { id })
        expect(answer.data).toEqual({ [name]: null })
        expectWellFormed(answer)
        expect(['NOT_FOUND', 'BAD_USER_INPUT']).toContain(answer.errors![0]!.extensions.code)
      }
    },
  )
})

describe('another origin', () => {
  it('is told nothing that would let its pages read an answer', async () => {
    const headers = { ...json, origin: 'https://evil.example' }
    const preflight = {
      ...headers,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    }
    for (const answer of [
      await posted('{"query":"{ me { id } }"}', headers),
      await send({ method: 'OPTIONS', headers: preflight }),
      await send({ headers }, '/'),
    ])
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
  })
})

describe('what goes wrong on our side', () => {
  it('is masked, and logged with the request id', async () => {
    const requestId = 'request-that-fails'
    await gateway.database.admin('ALTER TABLE identity.audit_log RENAME COLUMN target_type TO gone')
    const asking = { token: await gateway.signIn('owner@acme.test'), headers: { 'x-request-id': requestId } }
    const answer = await gateway.ask('{ me { name } organization { slug auditLog { nodes { id } } } }', {}, asking)
    await gateway.database.admin('ALTER TABLE identity.audit_log RENAME COLUMN gone TO target_type')

    await expectRefused(answer, 'INTERNAL', 'UNEXPECTED')
    expect(answer.data).toEqual({ me: { name: 'Olga Owner' }, organization: { slug: 'acme', auditLog: null } })
    expect(answer.headers.get('x-request-id')).toBe(requestId)
    const lines = gateway.logged.map((line) => JSON.parse(line)).filter((line) => line.requestId === requestId)
    expect(lines.filter(({ level }) => level >= 50)).toMatchObject([{ call: 'identity.auditLog', code: 'INTERNAL' }])
    expect(JSON.stringify(lines)).toMatch(/target_type/)
  })

  it('says nothing of secrets or people in the log', async () => {
    const text = gateway.logged.join('\n')
    expect(text).not.toContain(await gateway.signIn('owner@acme.test'))
    expect(text).not.toMatch(/@acme\.test|offshoot-demo-1/)
  })

  it('leaves the rest working', async () => {
    expect((await ask(log, { first: 1 })).errors).toBeUndefined()
  })
})

describe('in production', () => {
  let production: TestGateway
  beforeAll(async () => {
    production = await testGateway({ production: true })
  })
  afterAll(() => production.close())

  it('nobody is told what the schema has', async () => {
    const introspections = [
      '{ __schema { types { name } } }',
      '{ __type(name: "Query") { name } }',
      '{ me { id } ...x } fragment x on Query { __schema { types { name } } }',
    ]
    for (const query of introspections) {
      const answer = await production.ask(query)
      await expectRefused(answer, 'BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED')
      expect(answer.data).toBeUndefined()
    }
    expect((await ask(introspections[0]!)).errors).toBeUndefined()
    for (const query of [
      '{ mee { id } }',
      '{ organization { auditLog(frist: 1) { nodes { id } } } }',
      'mutation { inviteMember(input: { email: "a@b.test", role: MEMBR }) { id } }',
      'mutation { createApiKey(input: { nam: "" }) { secret } }',
    ]) {
      const hinted = (await ask(query)).errors!.map(({ message }) => message).join()
      expect(hinted).toContain('Did you mean')
      const { errors } = await expectRefused(production.ask(query), 'BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED')
      expect(errors!.map(({ message }) => message).join()).not.toContain('Did you mean')
    }
    const variable = 'mutation ($role: Role!) { inviteMember(input: { email: "a@b.test", role: $role }) { id } }'
    const { errors } = await expectRefused(
      production.ask(variable, { role: 'MEMBR' }),
      'BAD_USER_INPUT',
      'INVALID_INPUT',
    )
    expect(errors![0]!.message).not.toContain('MEMBER')
  })

  it('there is no GraphiQL', async () => {
    const html = { headers: { accept: 'text/html' } }
    const answer = await fetch(`${production.url.replace('localhost', '127.0.0.1')}/graphql`, html)
    expect({ status: answer.status, type: answer.headers.get('content-type') }).toEqual({
      status: 405,
      type: 'application/json; charset=utf-8',
    })
    expect((await send(html)).data).toContain('GraphiQL')
  })
})
