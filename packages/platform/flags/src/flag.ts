/** What a flag is for, which decides how long it may live and who switches it. */
export type FlagKind = 'release' | 'experiment' | 'operational' | 'kill-switch' | 'permission'

declare const declared: unique symbol

/** A declared flag, to be asked for with `flags.isEnabled(flag)`. Nothing but `defineFlag` makes one, so a key that nobody declared cannot be asked for. */
export interface Flag<Variant extends string = string> {
  readonly [declared]: true
  /** The domain's name, a point, and what is switched: `orders.merged-lines`. It is what the flag is known by in Unleash, for good. */
  readonly key: string
  readonly kind: FlagKind
  /** What holds where no server has said anything else. */
  readonly default: boolean
  /** Who is asked about it, and removes it. */
  readonly owner: string
  /** The day on which it was declared, `2026-11-25`. */
  readonly since: string
  /** The day from which on it counts as stale and fails `npm run check`; null for what is meant to stay. */
  readonly expires: string | null
  /** What is on when it is on, and what is then otherwise when it is off. */
  readonly description: string
  /** The first one is what a tenant gets for whom the flag is off. Empty for a flag that is on or off and nothing else. */
  readonly variants: readonly Variant[]
}

interface Declaration<Variant extends string> {
  key: string
  default: boolean
  owner: string
  since: string
  description: string
  variants?: readonly Variant[]
}

/** A release or an experiment ends; other flags may stay. */
type Lifetime =
  | { kind: 'release' | 'experiment'; expires: string }
  | { kind: 'operational' | 'kill-switch' | 'permission'; expires: string | null }

/** Declares a flag. A domain lists its flags in `defineDomain`; what it does not list cannot be asked for. */
export function defineFlag<const Variant extends string = never>(
  declaration: Declaration<Variant> & Lifetime,
): Flag<Variant> {
  const { key, since, expires, variants = [] } = declaration
  if (!/^[a-z][a-z0-9]*\.[a-z0-9]+(-[a-z0-9]+)*$/.test(key))
    throw new Error(
      `The flag ${key} needs a key such as orders.merged-lines: the domain, a point, and what is switched.`,
    )
  for (const day of [since, expires])
    if (day !== null && !isDay(day)) throw new Error(`${day} of the flag ${key} is not a day such as 2026-11-25.`)
  if (variants.length === 1 || new Set(variants).size !== variants.length)
    throw new Error(`The flag ${key} needs at least two variants, all different, or none.`)
  return Object.freeze({ ...declaration, variants }) as Flag<Variant>
}

/** The flags of a product: the union of its domains'. */
export type FlagRegistry = ReadonlyMap<string, Flag>

/** The registry of these domains. Refuses a key that is declared twice, and one that doesn't begin with its domain's name. */
export function flagRegistry(
  domains: readonly { name: string; definition: { flags?: readonly Flag[] } }[],
): FlagRegistry {
  const registry = new Map<string, Flag>()
  for (const { name, definition } of domains) {
    for (const flag of definition.flags ?? []) {
      if (!flag.key.startsWith(`${name}.`))
        throw new Error(`The flag ${flag.key} of ${name} must begin with '${name}.'.`)
      if (registry.has(flag.key)) throw new Error(`The flag ${flag.key} is declared twice.`)
      registry.set(flag.key, flag)
    }
  }
  return registry
}

/** Whether the flag should be gone by `day`. */
export const isStale = ({ expires }: Flag, day: string): boolean => expires !== null && expires <= day

const isDay = (text: string) =>
  /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
