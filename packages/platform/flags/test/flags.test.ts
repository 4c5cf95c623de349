import { describe, expect, it } from 'vitest'
import { defineFlag, type Flag } from '../src/index.ts'
import { type Feature, feature, flagRegistry, isStale, rollout, startFlags } from '../src/runtime.ts'

const about = { owner: 'shop', since: '2026-11-25', description: 'For tests.' }
const release = defineFlag({ key: 'shop.checkout', kind: 'release', default: false, expires: '2027-03-01', ...about })
const killSwitch = defineFlag({ key: 'shop.mail', kind: 'kill-switch', default: true, expires: null, ...about })
const experiment = defineFlag({
  key: 'shop.layout',
  kind: 'experiment',
  default: false,
  expires: '2027-03-01',
  variants: ['list', 'cards', 'table'],
  ...about,
})
const registry = flagRegistry([{ name: 'shop', definition: { flags: [release, killSwitch, experiment] } }])

function start(environment = 'test') {
  const warnings: string[] = []
  const flags = startFlags({
    registry,
    environment,
    log: { info() {}, warn: (details, message) => warnings.push(`${message} ${JSON.stringify(details)}`) },
  })
  return { ...flags, warnings, use: (...features: Feature[]) => flags.replace({ version: 2, features }) }
}

const withStrategies = (flag: Flag, ...strategies: Feature['strategies']): Feature => ({
  ...feature(flag),
  enabled: true,
  strategies,
})
const tenants = Array.from({ length: 1_000 }, (_, n) => `tenant-${n}`)
const constraint = (contextName: string, operator: string, ...values: string[]) => ({ contextName, operator, values })

describe('declaring a flag', () => {
  it('asks for a key that names its domain, for days, and for different variants', () => {
    const declare = (change: object) => () =>
      defineFlag({ key: 'shop.a', kind: 'operational', default: true, expires: null, ...about, ...change })
    expect(declare({})).not.toThrow()
    for (const key of ['checkout', 'Shop.checkout', 'shop.', 'shop.check_out', 'shop.a.b'])
      expect(declare({ key }), key).toThrow(key)
    for (const since of ['2026-02-30', 'yesterday', '2026-1-1']) expect(declare({ since })).toThrow(since)
    for (const variants of [['one'], ['same', 'same']]) expect(declare({ variants })).toThrow('variants')
  })

  it('lets nobody ask for what is not declared', () => {
    const flags = start()
    // @ts-expect-error a key is no flag
    expect(() => flags.isEnabled('shop.checkout')).toThrow()
    // @ts-expect-error nor is something that looks like one
    const forged: Flag = { ...release, key: 'shop.forged' } as { key: string }
    expect(() => flags.isEnabled(forged)).toThrow('shop.forged is not listed')
    // @ts-expect-error a release ends some day
    defineFlag({ key: 'shop.b', kind: 'release', default: true, expires: null, ...about })
    const variant: 'list' | 'cards' | 'table' = flags.variant(experiment)
    // @ts-expect-error none of its variants
    const other: 'grid' = flags.variant(experiment)
    expect([variant, other]).toEqual(['list', 'list'])
  })

  it('is refused twice, and under another domain’s name', () => {
    const domain = (name: string, ...flags: Flag[]) => ({ name, definition: { flags } })
    expect(() => flagRegistry([domain('shop', release, release)])).toThrow('declared twice')
    expect(() => flagRegistry([domain('orders', release)])).toThrow("must begin with 'orders.'")
  })

  it('makes it stale on the day on which it expires', () => {
    expect(['2027-02-28', '2027-03-01', '2027-03-02'].map((day) => isStale(release, day))).toEqual([false, true, true])
    expect(isStale(killSwitch, '2999-01-01')).toBe(false)
  })
})

describe('without a server', () => {
  it('a flag has its default from the first moment on, and nothing is degraded', () => {
    const flags = start()
    expect([release, killSwitch, experiment].map((flag) => flags.isEnabled(flag))).toEqual([false, true, false])
    expect(flags.health()).toEqual({ server: false, status: 'up', source: 'bootstrap' })
  })
})

describe('a gradual rollout', () => {
  const share = (percent: number) => {
    const flags = start()
    flags.use(withStrategies(release, rollout(release, percent)))
    return tenants.filter((tenant) => flags.isEnabled(release, { tenant, user: `user-${Math.random()}` }))
  }

  it('reaches its share of the tenants, always the same ones, and more of them as it grows', () => {
    const [ten, half, all] = [share(10), share(50), share(100)]
    expect(ten.length).toBeGreaterThan(60)
    expect(ten.length).toBeLessThan(140)
    expect(half.length).toBeGreaterThan(430)
    expect(half.length).toBeLessThan(570)
    expect(share(10)).toEqual(ten)
    expect(half).toEqual(expect.arrayContaining(ten))
    expect(all).toEqual(tenants)
    expect(share(0)).toEqual([])
  })

  it('to everyone reaches what is done for no tenant too', () => {
    const flags = start()
    flags.use(withStrategies(release, rollout(release, 100)))
    expect(flags.isEnabled(release, { user: 'user' })).toBe(true)
  })
})

describe('variants', () => {
  it('are shared out among the tenants, each of which keeps its own', () => {
    const flags = start()
    flags.use(withStrategies(experiment, rollout(experiment, 100)))
    const chosen = tenants.map((tenant) => flags.variant(experiment, { tenant }))
    const groups = Map.groupBy(chosen, (variant) => variant)
    expect([...groups.keys()].sort()).toEqual(['cards', 'list', 'table'])
    for (const group of groups.values()) expect(group.length).toBeGreaterThan(250)
    const again = start()
    again.use(withStrategies(experiment, rollout(experiment, 100)))
    expect(tenants.map((tenant) => again.variant(experiment, { tenant }))).toEqual(chosen)
  })

  it('are the first one where the flag is off or gone, and where the server names one that the code does not know', () => {
    const flags = start()
    expect(flags.variant(experiment, { tenant: 'a' })).toBe('list')
    flags.use()
    expect(flags.variant(experiment, { tenant: 'a' })).toBe('list')
    const variants = [{ name: 'grid', weight: 1_000, stickiness: 'tenant' }]
    flags.use(withStrategies(experiment, { ...rollout(experiment, 100), variants }))
    expect(flags.variant(experiment, { tenant: 'a' })).toBe('list')
    expect(flags.warnings).toEqual([expect.stringContaining('a variant that the code does not know')])
  })
})

describe('constraints', () => {
  const on = (contextName: string, operator: string, ...values: string[]) =>
    withStrategies(release, {
      name: 'default',
      parameters: {},
      constraints: [constraint(contextName, operator, ...values)],
    })

  it('by plan', () => {
    const flags = start()
    flags.use(on('plan', 'IN', 'pro', 'enterprise'))
    const plans = ['free', 'pro', 'enterprise', null]
    const answers = () => plans.map((plan) => flags.isEnabled(release, { tenant: 'acme', user: 'ann', plan }))
    for (let turn = 0; turn < 2; turn++) expect(answers()).toEqual([false, true, true, false])
    expect(flags.isEnabled(release)).toBe(false)
  })

  it('by tenant, by user and by environment', () => {
    const flags = start('staging')
    flags.use(on('tenant', 'IN', 'acme'))
    expect(['acme', 'globex', null].map((tenant) => flags.isEnabled(release, { tenant }))).toEqual([true, false, false])
    flags.use(on('userId', 'IN', 'ann'))
    expect(['ann', 'bob'].map((user) => flags.isEnabled(release, { tenant: 'acme', user }))).toEqual([true, false])
    flags.use(on('environment', 'IN', 'staging'))
    expect(flags.isEnabled(release)).toBe(true)
    flags.use(on('environment', 'NOT_IN', 'staging'))
    expect(flags.isEnabled(release)).toBe(false)
  })

  it('by time are judged at each moment, as lots are drawn each time', async () => {
    const flags = start()
    const soon = new Date(Date.now() + 50).toISOString()
    const later = { contextName: 'currentTime', operator: 'DATE_AFTER', value: soon, values: [] }
    flags.use(withStrategies(release, { name: 'default', parameters: {}, constraints: [later] }))
    expect(flags.isEnabled(release, { tenant: 'acme' })).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(flags.isEnabled(release, { tenant: 'acme' })).toBe(true)
    flags.use(withStrategies(release, { ...rollout(release, 50), parameters: { rollout: '50', stickiness: 'random' } }))
    expect(new Set(tenants.map(() => flags.isEnabled(release, { tenant: 'acme' }))).size).toBe(2)
  })

  it('of segments', () => {
    const flags = start()
    const features = [withStrategies(release, { name: 'default', parameters: {}, constraints: [], segments: [7] })]
    flags.replace({ version: 2, features, segments: [{ id: 7, constraints: [constraint('tenant', 'IN', 'acme')] }] })
    expect(['acme', 'globex'].map((tenant) => flags.isEnabled(release, { tenant }))).toEqual([true, false])
  })
})

describe('what cannot be evaluated', () => {
  it('is off where the strategy is unknown, and has its default where it makes the evaluation fail', () => {
    const flags = start()
    flags.use(withStrategies(killSwitch, { name: 'of another product', parameters: {} }))
    expect(flags.isEnabled(killSwitch)).toBe(false)
    const broken = {
      name: 'default',
      parameters: {},
      constraints: [{ contextName: 'tenant', operator: 'IN', values: null as never }],
    }
    flags.use(withStrategies(killSwitch, broken))
    expect(flags.isEnabled(killSwitch, { tenant: 'acme' })).toBe(true)
    expect(flags.warnings).toEqual([
      expect.stringContaining('of another product'),
      expect.stringContaining('cannot be evaluated'),
    ])
  })
})

describe('a unit of work', () => {
  it('ends on the side on which it began, whatever is switched meanwhile', () => {
    const flags = start()
    const [before, unasked] = [flags.of({ tenant: 'acme' }), flags.of({ tenant: 'acme' })]
    expect([before.isEnabled(release), before.variant(experiment)]).toEqual([false, 'list'])
    flags.use(
      withStrategies(release, rollout(release, 100)),
      withStrategies(experiment, {
        ...rollout(experiment, 100),
        variants: [{ name: 'table', weight: 1_000, stickiness: 'tenant' }],
      }),
    )
    expect([before.isEnabled(release), before.variant(experiment)]).toEqual([false, 'list'])
    expect([unasked.isEnabled(release), unasked.variant(experiment)]).toEqual([true, 'table'])
  })

  it('of one tenant is told nothing of another’s', () => {
    const flags = start()
    const constraints = [constraint('tenant', 'IN', 'acme')]
    flags.use(withStrategies(release, { name: 'default', parameters: {}, constraints }))
    for (let turn = 0; turn < 2; turn++) {
      expect(flags.of({ tenant: 'acme', user: 'both' }).isEnabled(release)).toBe(true)
      expect(flags.of({ tenant: 'globex', user: 'both' }).isEnabled(release)).toBe(false)
    }
  })
})

it('answers within 2 µs, for a thousand tenants with a rollout by constraint', () => {
  const flags = start()
  flags.use(withStrategies(release, { ...rollout(release, 50), constraints: [constraint('plan', 'IN', 'free')] }))
  const figures = Array.from({ length: 5 }, () => {
    const began = performance.now()
    for (let n = 0; n < 50_000; n++)
      flags.of({ tenant: tenants[n % 1_000], user: 'user', plan: 'free' }).isEnabled(release)
    return ((performance.now() - began) / 50_000) * 1_000
  })
  expect(Math.min(...figures)).toBeLessThan(2)
})
