import { defineFlag, type Flag } from '@offshoot/flags'
import { flagRegistry } from '@offshoot/flags/runtime'
import { describe, expect, it } from 'vitest'
import { checkFlags } from '../check/flags.ts'

const about = { owner: 'shop', since: '2026-11-25', description: 'For tests.' }
const checkout = defineFlag({ key: 'shop.checkout', kind: 'release', default: false, expires: '2027-03-01', ...about })
const mail = defineFlag({ key: 'shop.mail', kind: 'kill-switch', default: true, expires: null, ...about })

const shop = 'packages/domains/shop'
const declaration = `export const checkout = defineFlag({\n  kind: 'release',\n  key: 'shop.checkout',\n})
export const mail = defineFlag({ key: 'shop.mail', kind: 'kill-switch' })\n`
const use = { path: `${shop}/src/place.ts`, text: `ctx.flags.isEnabled(checkout); platform.flags.isEnabled(mail, {})` }
const test = {
  path: `${shop}/test/place.test.ts`,
  text: `describe.each(bothSides(checkout)); app.flags.set(mail, false)`,
}

/** What is said of the flags of a domain with these files besides their declaration. */
const judge = (files: { path: string; text: string }[], day = '2026-12-01', flags: Flag[] = [checkout, mail]) =>
  checkFlags(
    flagRegistry([{ name: 'shop', definition: { flags } }]),
    [{ path: `${shop}/src/flags.ts`, text: declaration }, ...files],
    day,
  ).map(({ line, message }) => `${line}: ${message}`)

describe('the check of flags', () => {
  it('is content with flags that are listed, used, tested and young', () => {
    expect(judge([use, test])).toEqual([])
  })

  it('finds one that is stale', () => {
    expect(judge([use, test], '2027-03-01')).toEqual([
      expect.stringMatching(/^1: shop.checkout is stale since 2027-03-01: shop/),
    ])
  })

  it('finds one that its domain does not list', () => {
    expect(judge([use, test], undefined, [checkout])).toEqual([expect.stringMatching(/^5: shop.mail is not listed/)])
  })

  it('finds one that nobody asks for, tests of other domains and of other flags notwithstanding', () => {
    expect(judge([test])).toEqual([
      expect.stringContaining('shop.checkout is asked for by nobody'),
      expect.stringContaining('shop.mail is asked'),
    ])
    expect(judge([{ ...use, path: 'packages/domains/orders/src/place.ts' }, test])).toHaveLength(2)
  })

  it('finds a release that is not tested on both sides, and a kill switch that is never switched off', () => {
    expect(judge([use])).toEqual([
      expect.stringContaining('describe.each(bothSides(checkout))'),
      expect.stringContaining('flags.set(mail, false)'),
    ])
    expect(judge([use, { ...test, text: 'bothSides(checkout2)' }])).toHaveLength(2)
  })
})
