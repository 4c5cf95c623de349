import type { Flag, Flags } from '@offshoot/flags'
import { type Feature, feature, flagRegistry, startFlags } from '@offshoot/flags/runtime'
import type { Domain } from '@offshoot/host'

/** The flags of a test, evaluated as in production and switched by the test instead of a server. */
export interface TestFlags extends Flags {
  /** Switches a flag for everyone, or for those whom these strategies of Unleash mean. It is in force at once. */
  set(flag: Flag, to: boolean | Feature['strategies']): void
}

/** The flags of these domains, each at its default. */
export function testFlags(domains: readonly Domain[]): TestFlags {
  const registry = flagRegistry(domains)
  const features = new Map([...registry].map(([key, flag]) => [key, feature(flag)]))
  const flags = startFlags({ registry, environment: 'test', log: { info() {}, warn() {} } })
  return {
    ...flags,
    set(flag, to) {
      const strategies = Array.isArray(to) ? to : feature(flag).strategies
      features.set(flag.key, { ...feature(flag), enabled: to !== false, strategies })
      flags.replace({ version: 2, features: [...features.values()] })
    },
  }
}

/**
 * The two sides of a flag, each to be tested: `describe.each(bothSides(mergedLines))('an order, $side', ({ on }) => …)`. `npm run check` wants this for every
 * release flag.
 */
export function bothSides(flag: Flag): { side: string; on: boolean }[] {
  return [true, false].map((on) => ({ on, side: `${flag.key} ${on ? 'on' : 'off'}` }))
}
