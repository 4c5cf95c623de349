import { describe, expect, it } from 'vitest'
import {
  badInput,
  conflict,
  deadlineExceeded,
  forbidden,
  internal,
  notFound,
  Problem,
  unavailable,
} from '../src/index.ts'
import { acme, as, links, olga, shelfBy } from './shelf.ts'

const failure = (call: Promise<unknown>): Promise<any> =>
  call.then(
    () => expect.unreachable('the call succeeded'),
    (error) => error,
  )

describe.each(links)('a call, %s', (way) => {
  const openShelf = shelfBy(way)
  it('shares nothing with the domain that serves it, in either direction', async () => {
    const kept: any[] = []
    const answer = { value: { list: [{ n: 1 }] } }
    const { shelf } = openShelf({
      echo: async (_, input) => {
        kept.push(input.value)
        input.value.list.push('changed by the callee')
        return answer
      },
    })
    const sent = { list: [{ n: 1 }] }
    const got = (await shelf().echo({ value: sent })) as any
    expect(sent).toEqual({ list: [{ n: 1 }] })
    expect(kept[0]).not.toBe(sent)

    got.value.list.push('changed by the caller')
    answer.value.list.push({ n: 2 })
    expect(got.value.list).toEqual([{ n: 1 }, 'changed by the caller'])
    expect(answer.value.list).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('loses `undefined`, as on the wire', async () => {
    const { shelf } = openShelf({
      echo: async (_, { value }) => ({ value: { ...value, c: undefined, keys: Object.keys(value) } }),
    })
    expect(await shelf().echo({ value: { a: 1, b: undefined } })).toStrictEqual({ value: { a: 1, keys: ['a'] } })
  })

  it.each([
    ['a Date', () => new Date()],
    ['a Map', () => new Map()],
    ['a big integer', () => 1n],
    ['NaN', () => Number.NaN],
    ['a function', () => () => 1],
  ])('carries no %s, neither there nor back', async (_, make) => {
    const { shelf, reported } = openShelf({
      echo: async (_, { value }) => ({ value: value === 'give' ? make() : value }),
    })
    expect(await failure(shelf().echo({ value: make() }))).toMatchObject({ code: 'INTERNAL' })
    expect(await failure(shelf().echo({ value: 'give' }))).toMatchObject({ code: 'INTERNAL' })
    expect(reported.map(({ error }) => error.message)).toEqual(Array(2).fill(expect.stringMatching(/cannot travel/)))
  })

  it('keeps `__proto__` as data', async () => {
    const { shelf } = openShelf()
    const { value } = (await shelf().echo({ value: JSON.parse('{"__proto__":{"a":1}}') })) as any
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(value.a).toBeUndefined()
  })

  it('to a domain that is not hosted here says so', async () => {
    const { server, tokens } = openShelf()
    expect(
      await failure(
        server.handle(
          'constructor',
          {},
          { token: tokens.mint(as('owner'), 'shelf', Date.now()), budget: 1, requestId: 'r' },
        ),
      ),
    ).toMatchObject({
      code: 'NOT_FOUND',
      reason: 'CALL_NOT_FOUND',
    })
  })
})

describe.each(links)('input, %s', (way) => {
  const openShelf = shelfBy(way)
  it('that does not fit is BAD_USER_INPUT, with every issue named, and does not reach the domain', async () => {
    let served = 0
    const { shelf, reported } = openShelf({ rename: async () => void served++ })
    const error = await failure(shelf().rename({ id: 'x', title: '  ', shelves: [1, 1.5] }))
    expect(error).toBeInstanceOf(Problem)
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'INVALID_INPUT' })
    expect(error.data.issues.map(({ path }: { path: string }) => path)).toEqual(['id', 'title', 'shelves.1'])
    expect(error.message).toMatch(/^id: /)
    expect([served, reported]).toEqual([0, []])
  })

  it.each([null, [], 'text', 7])('that is %j instead of an object is refused', async (input) => {
    expect(
      await failure(
        openShelf()
          .shelf()
          .rename(input as never),
      ),
    ).toMatchObject({ reason: 'INVALID_INPUT' })
  })

  it('with a thousand mistakes is answered with the first few', async () => {
    const shelves = Array.from({ length: 1_000 }, () => 0.5)
    const { data } = await failure(openShelf().shelf().rename({ id: olga, title: 'A', shelves }))
    expect(data.issues).toHaveLength(20)
  })

  it('loses what the contract does not know, before the domain sees it', async () => {
    const seen: unknown[] = []
    const { shelf } = openShelf({ burn: async (_, input) => (seen.push(input), {}) })
    await shelf().burn({ tenant_id: 'another', __proto__: 'x' } as never)
    await shelf().burn(JSON.parse('{"__proto__":{"admin":true}}'))
    expect(seen).toStrictEqual([{}, {}])
  })
})

describe.each(links)('an answer, %s', (way) => {
  const openShelf = shelfBy(way)
  it('that does not fit the contract is INTERNAL, and reported without reaching the caller', async () => {
    const { shelf, reported } = openShelf({
      list: async () => ({ items: [{ id: 'x', title: 'S3CRET' }], more: 'yes' }),
    })
    const error = await failure(shelf().list({ first: 1 }))
    expect(error).toMatchObject({ code: 'INTERNAL', reason: 'UNEXPECTED', data: undefined })
    expect(reported).toMatchObject([{ name: 'shelf.list', tenant: acme, code: 'INTERNAL' }])
    expect(reported[0]!.error.message).toMatch(/does not fit the contract: items\.0\.id: .*more: /)
    expect(reported[0]!.error.message).not.toMatch('S3CRET')
  })

  it('loses what the contract does not declare: a column more in a row stays inside', async () => {
    const row = {
      id: olga,
      title: 'A',
      price: { minor: 1, currency: 'EUR', cost: 1n },
      tags: [],
      note: null,
      passwordHash: 'x',
    }
    const { shelf } = openShelf({ rename: async () => row })
    expect(await shelf().rename({ id: olga, title: 'A' })).toStrictEqual({
      id: olga,
      title: 'A',
      price: { minor: 1, currency: 'EUR' },
      tags: [],
      note: null,
    })
  })
})

describe.each(links)('a failure, %s', (way) => {
  const openShelf = shelfBy(way)
  const throwing = (error: unknown) =>
    openShelf({
      rename: async () => {
        throw error
      },
    })
  const rename = { id: olga, title: 'A' }

  it('that the contract declares passes, with its data', async () => {
    const { shelf, reported } = throwing(conflict('TITLE_TAKEN', 'That title is taken.', { by: olga, at: undefined }))
    const error = await failure(shelf().rename(rename))
    expect(error).toBeInstanceOf(Problem)
    expect(error).toMatchObject({ code: 'CONFLICT', reason: 'TITLE_TAKEN', message: 'That title is taken.' })
    expect(error.data).toStrictEqual({ by: olga })
    expect(reported).toEqual([])
  })

  it('shares nothing with the one that was thrown: not its data, not its cause', async () => {
    const data = { list: [1] }
    const thrown = new Problem('CONFLICT', 'TITLE_TAKEN', 'Taken.', { data, cause: new Error('S3CRET') })
    const error = await failure(throwing(thrown).shelf().rename(rename))
    expect(error).not.toBe(thrown)
    expect(error.cause).toBeUndefined()
    error.data.list.push(2)
    expect(data).toEqual({ list: [1] })
  })

  it('whose data is no JSON is a mistake of the domain', async () => {
    const { shelf, reported } = throwing(conflict('TITLE_TAKEN', 'Taken.', { since: new Date() }))
    expect(await failure(shelf().rename(rename))).toMatchObject({ code: 'INTERNAL' })
    expect(reported[0]!.error.message).toMatch(/CONFLICT\/TITLE_TAKEN is not JSON/)
  })

  it.each([
    ['a reason that the contract does not declare', conflict('OTHER', 'S3CRET')],
    ['a declared reason under another code', badInput('TITLE_TAKEN', 'S3CRET')],
    ['a reason that every object has', conflict('constructor', 'S3CRET')],
    ['a reason of another call', notFound('Shelf')],
  ])('with %s is INTERNAL, and reported', async (_, thrown) => {
    const { shelf, reported } = throwing(thrown)
    const error = await failure(shelf().rename(rename))
    expect(error).toMatchObject({ code: 'INTERNAL', reason: 'UNEXPECTED', data: undefined })
    expect(error.message).not.toMatch('S3CRET')
    expect(reported).toMatchObject([{ error: { cause: thrown }, name: 'shelf.rename' }])
  })

  it.each([
    ['an Error', new TypeError('S3CRET at db.internal')],
    ['an Error with a code of ours', Object.assign(new Error('S3CRET'), { code: 'CONFLICT', reason: 'TITLE_TAKEN' })],
    ['text', 'S3CRET'],
    ['undefined', undefined],
    ['an object', { message: 'S3CRET' }],
  ])('that nobody foresaw, %s, is INTERNAL: its message is for the report alone', async (_, thrown) => {
    const { shelf, reported } = throwing(thrown)
    const error = await failure(shelf().rename(rename))
    expect(error).toBeInstanceOf(Problem)
    expect(error).toMatchObject({ code: 'INTERNAL', reason: 'UNEXPECTED' })
    expect(error.cause).toBeUndefined()
    expect(JSON.stringify({ ...error, message: error.message, stack: error.stack })).not.toMatch('S3CRET')
    expect(reported).toHaveLength(1)
    if (thrown !== undefined) expect(reported[0]!.error).toBe(thrown)
  })

  it.each([
    ['UNAVAILABLE', unavailable('MAIL', 'Later.')],
    ['DEADLINE_EXCEEDED', deadlineExceeded()],
    ['FORBIDDEN', forbidden('NOT_YOURS', 'No.')],
    ['RATE_LIMITED', new Problem('RATE_LIMITED', 'SLOW_DOWN', 'Slower.')],
    ['UNAUTHENTICATED', new Problem('UNAUTHENTICATED', 'EXPIRED', 'Sign in again.')],
  ])('of the kind %s passes whatever a call declares', async (code, thrown) => {
    const { shelf, reported } = throwing(thrown)
    expect(await failure(shelf().rename(rename))).toMatchObject({
      code,
      reason: thrown.reason,
      message: thrown.message,
    })
    expect(reported).toEqual([])
  })

  it('of the infrastructure passes as UNAVAILABLE, and what was behind it is reported', async () => {
    const cause = new Error('connect ECONNREFUSED')
    const { shelf, reported } = throwing(unavailable('DATABASE', 'Later.', cause))
    expect((await failure(shelf().rename(rename))).cause).toBeUndefined()
    expect(reported).toMatchObject([{ error: cause, code: 'UNAVAILABLE', tenant: acme }])
  })

  it('of a domain that was called on the way stays masked, and keeps its code', async () => {
    const broken = throwing(internal(new Error('S3CRET')))
    const asked = openShelf({
      echo: async () => {
        throw new Error('S3CRET')
      },
    })
    expect((await failure(broken.shelf().rename(rename))).message).not.toMatch('S3CRET')
    expect(await failure(asked.desk().ask({ value: 1 }))).toMatchObject({ code: 'INTERNAL', reason: 'UNEXPECTED' })
    expect(asked.reported.map(({ name }) => name)).toEqual(['shelf.echo', 'desk.ask'])
  })
})
