import { describe, expect, it } from 'vitest'
import { currencyDigits, Money, pageInput, TenantId, Timestamp, text, toPage } from '../src/index.ts'

const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success

describe('values of contracts', () => {
  it('an id is a UUID, in lower case', () => {
    expect(TenantId.parse('01890000-0000-7000-8000-00000000000A')).toBe('01890000-0000-7000-8000-00000000000a')
    for (const wrong of ['', 'x', '01890000-0000-7000-8000-00000000000', "' or 1=1", null, 1])
      expect(accepts(TenantId, wrong)).toBe(false)
  })

  it('a time is RFC 3339 in UTC with milliseconds', () => {
    expect(accepts(Timestamp, new Date().toISOString())).toBe(true)
    for (const wrong of [
      '2026-01-01',
      '2026-01-01T00:00:00Z',
      '2026-01-01T00:00:00.000+01:00',
      '2026-13-01T00:00:00.000Z',
    ]) {
      expect(accepts(Timestamp, wrong)).toBe(false)
    }
  })

  it('text is trimmed, not blank, and something that a database can store', () => {
    expect(text(3).parse(' a ')).toBe('a')
    expect(text(2).parse('🙂')).toBe('🙂')
    for (const wrong of ['', '  ', 'abcd', 'a\0', '\ud83d', ' '.repeat(5)]) expect(accepts(text(3), wrong)).toBe(false)
  })

  it('money is a safe whole number of a currency that exists, under its code as ISO 4217 writes it', () => {
    expect(accepts(Money, { minor: -1, currency: 'EUR' })).toBe(true)
    for (const minor of [0.5, 2 ** 53, Number.NaN, '1']) expect(accepts(Money, { minor, currency: 'EUR' })).toBe(false)
    for (const currency of ['eur', 'XQQ', '', '__proto__', 'EUR '])
      expect(accepts(Money, { minor: 1, currency })).toBe(false)
    expect(['EUR', 'JPY', 'KWD', 'XQQ'].map(currencyDigits)).toEqual([2, 0, 3, undefined])
  })

  it('a page has 1 to 100 items, and says whether more follow', () => {
    for (const first of [0, -1, 101, 1.5, 10 ** 6]) expect(accepts(pageInput({}), { first })).toBe(false)
    expect(accepts(pageInput({}), { first: 100 })).toBe(true)
    expect(toPage([1, 2, 3], 2)).toEqual({ items: [1, 2], more: true })
    expect(toPage([1, 2], 2)).toEqual({ items: [1, 2], more: false })
  })
})
