import { conflict, internal, Problem, problemCodes } from '@offshoot/rpc'
import { GraphQLError, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { publicError } from '../src/index.ts'

const open = (error: unknown) => publicError(error, { hints: true })
const located = (cause: Error) => new GraphQLError(cause.message, { path: ['order'], originalError: cause })
const sent = (error: GraphQLError) => JSON.stringify(error)

describe('an error as the public sees it', () => {
  it.each(problemCodes)(
    'has the code %s of the problem that a resolver met, its reason, its data and its place',
    (code) => {
      const error = open(
        located(new Problem(code, 'WHY', 'What happened.', { data: { field: 'sku' }, cause: new Error('S3CRET') })),
      )
      expect(JSON.parse(sent(error))).toEqual({
        message: 'What happened.',
        path: ['order'],
        extensions: { code, reason: 'WHY', data: { field: 'sku' } },
      })
    },
  )

  it('has no word about data where there is none', () => {
    expect(open(conflict('SKU_TAKEN', 'Taken.')).extensions).toEqual({ code: 'CONFLICT', reason: 'SKU_TAKEN' })
  })

  it.each([
    ['an Error', new TypeError('S3CRET')],
    [
      'an Error with extensions',
      Object.assign(new Error('S3CRET'), { extensions: { code: 'CONFLICT', canary: 'S3CRET' } }),
    ],
    ['text', 'S3CRET'],
    ['undefined', undefined],
  ])('is INTERNAL and says nothing when it is unexpected: %s', (_, cause) => {
    for (const error of [
      open(cause),
      ...(cause instanceof Error ? [open(located(cause)), open(located(located(cause)))] : []),
    ]) {
      expect(error.extensions).toEqual({ code: 'INTERNAL', reason: 'UNEXPECTED' })
      expect(sent(error)).not.toMatch('S3CRET')
      expect(error.originalError).toBeInstanceOf(Error) // for the log
    }
  })

  it('is for the log only when nobody else has logged it', () => {
    expect(open(internal(new Error('S3CRET'))).originalError).toBeUndefined()
    expect(open(conflict('SKU_TAKEN', 'Taken.')).originalError).toBeUndefined()
  })

  it('is made once: what was published passes as it is', () => {
    const error = open(new Error('x'))
    expect(open(error)).toBe(error)
  })

  it('is BAD_USER_INPUT when GraphQL refuses a document, and hints at names of the schema in development only', () => {
    const syntax = (() => {
      try {
        return parse('{')
      } catch (error) {
        return error
      }
    })()
    expect(open(syntax)).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' }, locations: [{ line: 1, column: 2 }] })
    const unknown = new GraphQLError(
      'Cannot query field "produts" on type "Query". Did you mean "products" or "product"?',
    )
    expect(open(unknown).message).toBe(unknown.message)
    expect(publicError(unknown, { hints: false }).message).toBe('Cannot query field "produts" on type "Query".')
  })
})
