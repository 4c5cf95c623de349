import { z } from 'zod'
import type { Reason } from './evaluations.ts'
import type { Flag } from './flag.ts'

const Constraint = z.looseObject({
  contextName: z.string(),
  operator: z.string(),
  value: z.string().nullish(),
  values: z
    .array(z.string())
    .nullish()
    .transform((values) => values ?? []),
  inverted: z.boolean().nullish(),
  caseInsensitive: z.boolean().nullish(),
})

const Variant = z.looseObject({ name: z.string(), weight: z.number(), stickiness: z.string().nullish() })

const Strategy = z.looseObject({
  name: z.string(),
  parameters: z
    .record(z.string(), z.union([z.string(), z.number()]))
    .nullish()
    .transform((parameters) => parameters ?? {}),
  constraints: z.array(Constraint).nullish(),
  segments: z.array(z.number()).nullish(),
  variants: z.array(Variant).nullish(),
})

/** A flag's state as Unleash's client API tells it, version 2. */
const Feature = z.looseObject({
  name: z.string(),
  enabled: z.boolean(),
  strategies: z.array(Strategy),
  variants: z.array(Variant).nullish(),
  dependencies: z.array(z.looseObject({ feature: z.string() })).nullish(),
})
export type Feature = z.infer<typeof Feature>

const Segment = z.looseObject({ id: z.number(), constraints: z.array(Constraint) })
export type Segment = z.infer<typeof Segment>

/** Everything that an Unleash server says. What does not look like it must never replace what is known. */
export const State = z.looseObject({
  version: z.number(),
  features: z.array(Feature),
  segments: z.array(Segment).nullish(),
})
export type State = z.infer<typeof State>

/** What holds where no server says otherwise, in the form in which a server would say it: the same evaluation applies to both. */
export function bootstrap(flags: Iterable<Flag>): State {
  return { version: 2, features: Array.from(flags, feature), segments: [] }
}

/** A flag in its default state. Prepared in either case for being switched for everyone; a share of tenants is a matter of one number. */
export function feature(flag: Flag): Feature {
  return {
    name: flag.key,
    type: flag.kind,
    description: flag.description,
    enabled: flag.default,
    strategies: [rollout(flag, 100)],
  }
}

/** On for a share of tenants, the same ones each time and more of them as it grows. */
export function rollout({ key, variants }: Flag, percent: number) {
  return {
    name: 'flexibleRollout',
    parameters: { rollout: String(percent), stickiness: 'tenant', groupId: key },
    constraints: [],
    segments: [],
    variants: variants.map((name, n) => ({
      name,
      weight: weight(n, variants.length),
      weightType: 'variable',
      stickiness: 'tenant',
    })),
  }
}

/** Unleash wants thousandths that add up. */
const weight = (n: number, of: number) => Math.floor((1_000 * (n + 1)) / of) - Math.floor((1_000 * n) / of)

/**
 * Whether the answer to a context is always the same one. It is not where chance or the clock have a say; nor where it is not known what has a say.
 */
export function isSteady(
  feature: Feature,
  all: { feature(name: string): Feature | undefined; segment(id: number): Segment | undefined },
): boolean {
  return (
    feature.strategies.every(({ name, parameters, constraints, segments, variants }) => {
      const sticky = [parameters?.stickiness, ...(variants ?? []).map(({ stickiness }) => stickiness)]
      return (
        (name === 'default' || (name === 'flexibleRollout' && sticky.every(isSticky))) &&
        [...(constraints ?? []), ...(segments ?? []).flatMap((id) => all.segment(id)?.constraints ?? [])].every(
          ({ operator, contextName }) => !operator.startsWith('DATE_') && contextName !== 'currentTime',
        )
      )
    }) &&
    (feature.variants ?? []).every(({ stickiness }) => isSticky(stickiness)) &&
    (feature.dependencies ?? []).every((parent) => {
      const found = all.feature(parent.feature)
      return found !== undefined && !found.dependencies?.length && isSteady(found, all)
    })
  )
}

/** Why it was answered `on` or off. */
export function reasonFor(feature: Feature | undefined, on: boolean, what: 'flag' | 'variant' = 'flag'): Reason {
  if (!feature) return 'default'
  if (!feature.enabled) return 'disabled'
  const { strategies, dependencies, variants } = feature
  const targeted = strategies.some(
    ({ name, constraints, segments }) =>
      !['default', 'flexibleRollout'].includes(name) || constraints?.length || segments?.length,
  )
  if (targeted || dependencies?.length) return on ? 'targeting_match' : 'default'
  const shared = strategies.some(
    (strategy) => Number(strategy.parameters.rollout ?? 100) < 100 || (what === 'variant' && strategy.variants?.length),
  )
  return shared || (what === 'variant' && variants?.length) ? 'split' : 'static'
}

/** `default` draws lots where there is no user. */
const isSticky = (stickiness: unknown) => typeof stickiness === 'string' && !['random', 'default'].includes(stickiness)
