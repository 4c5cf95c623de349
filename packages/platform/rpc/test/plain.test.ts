import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { plainCopy } from '../src/index.ts'
import { plainOutputOf } from '../src/plain.ts'

const roundTrip = (value: unknown) => JSON.parse(JSON.stringify(value))

/** Everything that JSON can say, keys that JavaScript gives a meaning to included, and `undefined` where a property may have it. */
const { json } = fc.letrec((tie) => {
  const key = fc.oneof(
    fc.string(),
    fc.constantFrom('__proto__', 'constructor', 'toString', 'toJSON', '0', '1', 'length'),
  )
  return {
    leaf: fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
    ),
    json: fc.oneof(
      { depthSize: 'small' },
      tie('leaf'),
      fc.array(tie('json')),
      fc.dictionary(key, fc.option(tie('json'), { nil: undefined })),
    ),
  }
})

const objectsIn = (value: unknown): object[] =>
  typeof value === 'object' && value !== null ? [value, ...Object.values(value).flatMap(objectsIn)] : []

/** How many objects are in both. */
const shared = (a: unknown, b: unknown): number => objectsIn(a).filter((one) => objectsIn(b).includes(one)).length

describe('the plain copy of a value', () => {
  it('is what a JSON round trip makes of it, and shares nothing with it', () => {
    fc.assert(
      fc.property(json, (value) => {
        const copy = plainCopy(value)
        deepStrictEqual(copy, roundTrip(value))
        expect(JSON.stringify(copy)).toBe(JSON.stringify(value))
        expect(shared(value, copy)).toBe(0)
      }),
      { numRuns: 300 },
    )
  })

  it('keeps a key `__proto__` as data', () => {
    const copy = plainCopy(JSON.parse('{"__proto__": {"admin": true}}'))
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(Object.keys(copy)).toEqual(['__proto__'])
    expect(copy.admin).toBeUndefined()
  })

  it('has no `undefined`: a property vanishes, an item becomes null', () => {
    const copy = plainCopy({ a: undefined, b: [undefined, 1, new Array(1)] })
    expect(copy).toStrictEqual({ b: [null, 1, [null]] })
    expect('a' in copy).toBe(false)
  })

  class Price {
    minor = 1
  }
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  it.each([
    ['a Date', new Date()],
    ['an instance of a class', new Price()],
    ['a Map', new Map()],
    ['a Buffer', Buffer.from('x')],
    ['an Error', new Error('x')],
    ['a boxed string', Object('x')],
    ['a big integer', 1n],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a function', () => 1],
    ['a method toJSON', { toJSON: () => 'x' }],
    ['a symbol', Symbol('x')],
    ['a cycle', cycle],
  ])('refuses %s, which JSON would change, drop or choke on', (_, value) => {
    expect(() => plainCopy({ deep: [value] })).toThrow(/cannot travel through a contract/)
  })

  it('refuses nothing but a value', () => {
    expect(() => plainCopy(undefined)).toThrow(/cannot travel/)
  })
})

describe('the plain output of a schema', () => {
  const anything = z.array(z.record(z.string(), z.unknown()))
  const price = z.object({ minor: z.number(), note: z.string().nullable().optional() })
  const either = z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('price'), price }),
    z.object({ kind: z.literal('tags'), tags: z.array(z.string()) }),
  ])
  const given = [{ shared: true }]
  it.each<[string, z.ZodType, unknown]>([
    ['objects in objects', z.object({ list: z.array(price) }), { list: [{ minor: 1, note: null }, { minor: 2 }] }],
    ['what is absent by `undefined`', z.object({ price: price.optional() }), { price: { minor: 1, note: undefined } }],
    ['nothing at all where that is allowed', z.object({ price: price.optional() }), { price: undefined }],
    ['a zero below zero', price, { minor: -0 }],
    [
      'one of several',
      z.array(either),
      [
        { kind: 'price', price: { minor: 1 } },
        { kind: 'tags', tags: ['a'] },
      ],
    ],
    ['what may be anything', anything, [{ a: [{ b: 1 }], c: undefined }]],
    ['the rest of an object', z.looseObject({ a: z.string() }), { a: 'a', b: [{ c: 1 }] }],
    ['what a function made', z.object({ a: z.string().transform(() => given) }), { a: 'a' }],
    ['a default', z.object({ a: z.unknown().default(given) }), {}],
    ['what is checked as a whole', z.array(price).overwrite(() => given as never), []],
  ])('with %s is what a copy of it is, and shares nothing', (_, schema, value) => {
    const parsed = z.compile(schema).parse(value)
    const plain = plainOutputOf(schema)(parsed)
    deepStrictEqual(plain, roundTrip(parsed))
    expect(JSON.stringify(plain)).toBe(JSON.stringify(parsed))
    expect(shared([value, given], plain)).toBe(0)
  })

  it('refuses what JSON has no word for', () => {
    const output = z.object({ since: z.date() })
    expect(() => plainOutputOf(output)(output.parse({ since: new Date() }))).toThrow(/cannot travel/)
  })

  it('is the parsed value itself where that is new and needs no change', () => {
    const parsed = either.parse({ kind: 'price', price: { minor: 1 } })
    expect(plainOutputOf(either)(parsed)).toBe(parsed)
  })
})
