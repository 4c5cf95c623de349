import fc from 'fast-check'
import { GraphQLError, parseValue } from 'graphql'
import { describe, expect, it } from 'vitest'
import { decimalOf, moneyOf } from '../src/index.ts'
import { DateTime, Day, Decimal } from '../src/scalars.ts'

const money = fc.record({ minor: fc.maxSafeInteger(), currency: fc.constantFrom('EUR', 'JPY', 'KWD') })

describe('money in the public schema', () => {
  it('is a decimal with as many digits as the currency has', () => {
    const shown = [
      [1250, 'EUR', '12.50'],
      [5, 'EUR', '0.05'],
      [-5, 'EUR', '-0.05'],
      [0, 'EUR', '0.00'],
      [1250, 'JPY', '1250'],
      [1250, 'KWD', '1.250'],
      [Number.MAX_SAFE_INTEGER, 'EUR', '90071992547409.91'],
    ] as const
    for (const [minor, currency, amount] of shown) expect(decimalOf({ minor, currency })).toBe(amount)
  })

  it('is read back exactly, whatever the amount', () => {
    fc.assert(
      fc.property(money, (value) => {
        expect(moneyOf({ ...value, amount: decimalOf(value) })).toEqual(value)
      }),
    )
  })

  it.each([
    ['12.5', 'EUR', 1250],
    ['12', 'EUR', 1200],
    ['-0.01', 'EUR', -1],
    ['-0', 'EUR', 0],
    ['12.500', 'EUR', 1250],
    ['007', 'JPY', 7],
    ['12.0', 'JPY', 12],
    ['90071992547409.91', 'EUR', Number.MAX_SAFE_INTEGER],
  ])('reads %s %s as %d', (amount, currency, minor) => {
    expect(moneyOf({ amount, currency })).toStrictEqual({ minor, currency })
  })

  it.each([
    ['12.505', 'EUR', /EUR has 2 decimals/],
    ['0.5', 'JPY', /JPY has 0 decimals/],
    ['0.000000000000000001', 'KWD', /KWD has 3/],
    ['1', 'EURO', /not an ISO 4217/],
    ['1', 'eur', /not an ISO 4217/],
    ['1', '__proto__', /not an ISO 4217/],
    ['1', 'x'.repeat(10_000), /'x{20}' is not/],
    ['90071992547409.92', 'EUR', /too large/],
    ['999999999999999999', 'EUR', /too large/],
  ])('refuses %s %s', (amount, currency, message) => {
    const refused = { code: 'BAD_USER_INPUT', reason: 'INVALID_MONEY', message: expect.stringMatching(message) }
    expect(() => moneyOf({ amount, currency })).toThrow(expect.objectContaining(refused))
  })
})

describe('a Decimal', () => {
  it.each(['0', '-1', '12.50', '0.1', '123456789012345678.000000000000000001'])(
    '%s passes as text and as a literal, exactly as it was written',
    (text) => {
      expect(Decimal.parseValue(text)).toBe(text)
      expect(Decimal.parseLiteral(parseValue(text))).toBe(text)
      expect(Decimal.parseLiteral(parseValue(`"${text}"`))).toBe(text)
    },
  )

  it('passes as a number in variables as long as that is exact', () => {
    expect(Decimal.parseValue(12.5)).toBe('12.5')
    expect(Decimal.parseValue(-3)).toBe('-3')
    expect(() => Decimal.parseValue(JSON.parse('9007199254740993'))).toThrow(GraphQLError)
    expect(() => Decimal.parseValue(0.1 + 0.2)).toThrow(GraphQLError)
  })

  it.each([
    '',
    '.5',
    '5.',
    '1e3',
    '+1',
    '1,5',
    ' 1',
    '1\n',
    '0x1',
    'NaN',
    '1'.repeat(19),
    '1.1.1',
    '١',
    null,
    true,
    {},
    [1],
    Number.NaN,
    1e21,
  ])('%j is none', (value) => {
    expect(() => Decimal.parseValue(value)).toThrow(GraphQLError)
  })

  it.each(['1e3', 'true', 'null', '[1]', '{a: 1}', 'ONE'])('the literal %s is none', (literal) => {
    expect(() => Decimal.parseLiteral(parseValue(literal))).toThrow(GraphQLError)
  })
})

describe('a DateTime', () => {
  it.each([
    ['2026-01-31T09:30:00Z', '2026-01-31T09:30:00.000Z'],
    ['2026-01-31t09:30:00.123456z', '2026-01-31T09:30:00.123Z'],
    ['2026-01-31T00:30:00+01:00', '2026-01-30T23:30:00.000Z'],
    ['2028-02-29T00:00:00-05:30', '2028-02-29T05:30:00.000Z'],
  ])('%s is %s', (text, time) => {
    expect(DateTime.parseValue(text)).toBe(time)
    expect(DateTime.parseLiteral(parseValue(`"${text}"`))).toBe(time)
  })

  it.each([
    '2026-01-31',
    '2026-01-31 09:30:00Z',
    '2026-01-31T09:30Z',
    '2026-01-31T09:30:00',
    '2026-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:60Z',
    '9999-12-31T23:59:59-01:00',
    '0000-01-01T00:00:00+01:00',
    'now',
    '',
    0,
    null,
    {},
  ])('%j is none', (value) => {
    expect(() => DateTime.parseValue(value)).toThrow(GraphQLError)
  })
})

describe('a Date', () => {
  it('is a day of RFC 3339', () => {
    expect(Day.parseValue('2026-01-31')).toBe('2026-01-31')
    expect(Day.parseLiteral(parseValue('"2024-02-29"'))).toBe('2024-02-29')
  })

  it.each(['2026-02-30', '2026-1-31', '2026-01-31T00:00:00Z', '31.01.2026', '', 20260131, null])(
    'is not %j',
    (value) => {
      expect(() => Day.parseValue(value)).toThrow(GraphQLError)
    },
  )
})
