import type { z } from 'zod'
import { settings } from './settings.ts'

/** Names and values, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The configuration cannot be used. The message lists everything that is wrong with it, and no secret. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(['The configuration cannot be used:', ...problems.map((problem) => `  ${problem}`)].join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/**
 * Reads the settings of `schema` from `env`, all problems at once. An empty value counts as not set. Development fills in
 * the development values; production (`NODE_ENV=production`) asks for them and refuses to run with those of development.
 * `alsoWrong` names problems that no single setting shows, given the values that are set, as text.
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  env: Environment,
  alsoWrong: (given: Environment) => string[] = () => [],
): z.output<S> {
  const production = env.NODE_ENV === 'production'
  const given: Record<string, string> = {}
  const problems = new Map<string, string>()

  for (const [name, type] of Object.entries(schema.shape)) {
    const value = env[name] || undefined
    const { development } = settings.get(type as z.ZodType) ?? {}
    if (value !== undefined) given[name] = value
    else if (development !== undefined && !production) given[name] = development
    if (!production || development === undefined) continue
    if (value === undefined) problems.set(name, 'must be set in production')
    else if (value === development) problems.set(name, 'must not be the value of development in production')
  }

  const result = schema.safeParse(given)
  for (const { path } of result.error?.issues ?? []) {
    const name = String(path[0])
    if (!problems.has(name)) problems.set(name, problemOf(schema.shape[name] as z.ZodType, given[name]))
  }
  const lines = [...problems].map(([name, problem]) => `${name}: ${problem}`)
  lines.push(...alsoWrong(given))
  if (lines.length > 0 || !result.success) throw new ConfigError(lines)
  return result.data
}

function problemOf(type: z.ZodType, value: string | undefined): string {
  const expected = describe(type)
  if (value === undefined) return `must be set: ${expected}`
  return settings.get(type)?.secret
    ? `must be ${expected}`
    : `must be ${expected}, not ${JSON.stringify(value.slice(0, 100))}`
}

/** The description of a type, or of the type that it makes optional or gives a default. */
function describe(type: z.ZodType): string {
  const inner = (type.def as { innerType?: z.ZodType }).innerType
  return type.description ?? (inner ? describe(inner) : 'valid')
}
