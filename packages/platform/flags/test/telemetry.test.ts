import { inSpan } from '@offshoot/telemetry'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { defineFlag, type Flag } from '../src/index.ts'
import { type Feature, feature, flagRegistry, rollout, startFlags } from '../src/runtime.ts'

const recording = recordTelemetry()
beforeEach(() => recording.reset())

const about = { owner: 'shop', since: '2026-11-25', description: 'For tests.', expires: '2027-03-01' }
let counter = 0
/** Metrics go on, so each test has flags of its own. */
function start() {
  counter++
  const checkout = defineFlag({ key: `shop.checkout${counter}`, kind: 'release', default: false, ...about })
  const variants = ['list', 'cards'] as const
  const layout = defineFlag({ key: `shop.layout${counter}`, kind: 'experiment', default: false, variants, ...about })
  const flags = startFlags({
    registry: flagRegistry([{ name: 'shop', definition: { flags: [checkout, layout] } }]),
    environment: 'test',
    log: { info() {}, warn() {} },
  })
  return { flags, checkout, layout, use: (...features: Feature[]) => flags.replace({ version: 2, features }) }
}
const on = (flag: Flag, ...strategies: Feature['strategies']) => ({ ...feature(flag), enabled: true, strategies })
const forAcme = (flag: Flag) => ({
  ...rollout(flag, 100),
  constraints: [{ contextName: 'tenant', operator: 'IN', values: ['acme'] }],
})

const request = (work: () => void) => inSpan('rpc.call', 'shop.place', {}, async () => work())
const told = () =>
  recording
    .spans()
    .flatMap(({ events }) => events)
    .map(({ name, attributes }) => ({ name, ...attributes }))

async function counted({ key }: Flag): Promise<Record<string, unknown>> {
  const series = (await recording.metrics())['offshoot.flag.evaluations'] ?? []
  const own = series.filter(({ labels }) => labels['feature_flag.key'] === key)
  return Object.fromEntries(
    own.map(({ labels, value }) => [
      `${labels['feature_flag.result.variant']} ${labels['feature_flag.result.reason']}`,
      value,
    ]),
  )
}

describe('a flag that is asked for', () => {
  it('stands on the span of the unit of work, once, with the answer and where it is from', async () => {
    const { flags, checkout, layout } = start()
    await request(() => {
      const bound = flags.of({ tenant: 'acme' })
      for (let n = 0; n < 3; n++) bound.isEnabled(checkout)
      for (let n = 0; n < 200; n++) flags.variant(layout, { tenant: 'acme' })
    })
    const name = 'feature_flag.evaluation'
    const provider = { 'feature_flag.provider.name': 'bootstrap', 'feature_flag.result.reason': 'disabled' }
    expect(told()).toEqual([
      { name, 'feature_flag.key': checkout.key, 'feature_flag.result.variant': 'off', ...provider },
      { name, 'feature_flag.key': layout.key, 'feature_flag.result.variant': 'list', ...provider },
    ])
  })

  it('says nothing of whom it was asked for', async () => {
    const { flags, checkout } = start()
    await request(() => flags.isEnabled(checkout, { tenant: 'acme', user: 'ann', plan: 'pro' }))
    expect(JSON.stringify(told())).not.toMatch(/acme|ann|pro"/)
  })

  it('is counted, by its answer and the reason', async () => {
    const { flags, checkout, layout, use } = start()
    const ask = (tenant: string) => [flags.isEnabled(checkout, { tenant }), flags.variant(layout, { tenant })]
    ask('acme')
    use(on(checkout, rollout(checkout, 100)), on(layout, rollout(layout, 100)))
    const [, variant] = ask('acme')
    use(on(checkout, forAcme(checkout)), on(layout, forAcme(layout)))
    for (const tenant of ['acme', 'globex', 'acme']) ask(tenant)
    use()
    ask('acme')
    flags.stop()
    expect(await counted(checkout)).toEqual({
      'off disabled': 1,
      'on static': 1,
      'on targeting_match': 2,
      'off default': 2, // nobody's target, and gone
    })
    expect(await counted(layout)).toEqual({
      'list disabled': 1,
      [`${variant} split`]: 1,
      [`${variant} targeting_match`]: 2,
      'list default': 2,
    })
  })

  it('is counted within about a second while the process goes on', async () => {
    const { flags, checkout } = start()
    for (let n = 0; n < 5; n++) flags.isEnabled(checkout)
    await expect.poll(() => counted(checkout), { timeout: 3_000 }).toEqual({ 'off disabled': 5 })
    flags.stop()
  })
})

it('is answered within 2 µs while everything is recorded', async () => {
  const { flags, checkout, use } = start()
  use(on(checkout, forAcme(checkout)))
  const figures: number[] = []
  await request(() => {
    for (let turn = 0; turn < 5; turn++) {
      const began = performance.now()
      for (let n = 0; n < 50_000; n++) flags.of({ tenant: `tenant-${n % 1_000}`, user: 'user' }).isEnabled(checkout)
      figures.push(((performance.now() - began) / 50_000) * 1_000)
    }
  })
  expect(Math.min(...figures)).toBeLessThan(2)
})
