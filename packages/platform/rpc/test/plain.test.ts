import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainCopy } from '../src/index.ts'

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

/** Values of both that are the same object. */
function shared(a: unknown, b: unknown): number {
  if (typeof a !== 'object' || a === null) return 0
  const children = Object.entries(a).map(([key, child]) =>
    shared(child, Object.getOwnPropertyDescriptor(b, key)?.value),
  )
  return children.reduce((sum, count) => sum + count, a === b ? 1 : 0)
}

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
