/**
 * Whether what others rely on still holds: the public schema for clients, calls and events for other versions of the product's own processes. Compared with what is committed on the base
 * branch: `schema.graphql` and each domain's `contract.json`.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildSchema, findBreakingChanges } from 'graphql'
import { fileAt } from './base.ts'
import type { Schema, Wire } from './wire.ts'
import type { Problem } from './workspace.ts'

const schemaFile = 'apps/gateway/schema.graphql'

/** What would break somebody who relies on the commit `base`, unless a changeset that has come since then says `major` for the package. */
export function checkCompatibility(root: string, base: string): Problem[] {
  const announced = majorChangesets(root, base)
  const packageOf = (file: string) =>
    JSON.parse(readFileSync(join(root, dirname(file), 'package.json'), 'utf8')).name as string
  const breaks = (file: string, compare: (before: string, after: string) => string[]): Problem[] => {
    const old = fileAt(root, base, file)
    if (old === undefined) return []
    const name = packageOf(file)
    if (announced.has(name)) return []
    return compare(old, readFileSync(join(root, file), 'utf8')).map((what) => ({
      file,
      message: `${what}. Keep what was there beside the new, or announce it: a file .changeset/<any-name>.md with "${name}": major (docs/guides/pipelines.md, Versions)`,
    }))
  }
  const contracts = globSync('packages/domains/*/contract.json', { cwd: root }).map((path) =>
    path.replaceAll('\\', '/'),
  )
  return [
    ...breaks(schemaFile, schemaBreaks),
    ...contracts.flatMap((file) =>
      breaks(file, (old, now) => wireBreaks(JSON.parse(old) as Wire, JSON.parse(now) as Wire)),
    ),
  ]
}

/** The packages for which this branch has a changeset that says `major`. */
function majorChangesets(root: string, base: string): Set<string> {
  const files = globSync('.changeset/*.md', { cwd: root }).filter(
    (file) => fileAt(root, base, file.replaceAll('\\', '/')) === undefined,
  )
  return new Set(
    files.flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/^['"]?([@\w/-]+)['"]?: major$/gm)].map(([, name]) => name!),
    ),
  )
}

export const schemaBreaks = (before: string, after: string) =>
  findBreakingChanges(buildSchema(before), buildSchema(after)).map(({ description }) => description.replace(/\.$/, ''))

export function wireBreaks(before: Wire, after: Wire): string[] {
  const calls = Object.entries(before.calls).flatMap(([name, old]) => {
    const now = after.calls[name]
    if (!now) return [`the call ${name} is gone`]
    return [
      ...(['kind', 'audience', 'action'] as const)
        .filter((property) => old[property] !== now[property])
        .map((property) => `${name} has another ${property}: ${now[property]}, not ${old[property]}`),
      ...misfits(old.input, closed(now.input)).map(
        (what) => `callers of ${name} send what it no longer takes: ${what}`,
      ),
      ...misfits(now.output, old.output).map((what) => `${name} answers what its callers don't know: ${what}`),
    ]
  })
  const events = Object.entries(before.events).flatMap(([name, old]) => {
    const now = after.events[name]
    if (!now) return [`the event ${name} is gone`]
    if (now.aggregate !== old.aggregate) return [`${name} is about another aggregate, and loses its order`]
    if (now.version < old.version) return [`${name} goes back to version ${now.version}`]
    if (now.version > old.version) return [] // with an upcaster, which its declaration demands
    const hint = `; make it version ${old.version + 1}, with an upcaster`
    return [
      ...misfits(old.data, now.data).map((what) => `${name} as it is stored cannot be read any more: ${what}${hint}`),
      ...misfits(now.data, old.data).map((what) => `${name} cannot be read by those who handle it: ${what}${hint}`),
    ]
  })
  return [...calls, ...events]
}

/** A field that a caller sends and nobody reads any more would be lost in silence. */
const closed = (schema: Schema): Schema =>
  JSON.parse(JSON.stringify(schema), (_, value) =>
    value?.properties ? { ...value, additionalProperties: value.additionalProperties ?? false } : value,
  )

/** Why a value that `given` allows may not be one that `taken` allows. Both are what zod writes; what a reader drops in silence (a field that it does not know) fits. */
export function misfits(given: Schema, taken: Schema, at = ''): string[] {
  const here = at || 'the value'
  const [giving, taking] = [branches(given), branches(taken)]
  if (giving.length > 1) return giving.flatMap((one) => misfits(one, taken, at))
  if (taking.length > 1) {
    const ways = taking.map((one) => misfits(given, one, at))
    const nearest = ways[taking.findIndex((one) => sameType(given, one))]
    return ways.some((way) => way.length === 0) ? [] : (nearest ?? [`${here} may be ${given.type ?? 'anything'}`])
  }
  const values = valuesOf(taken)
  if (values) {
    const more = valuesOf(given)?.filter((value) => !values.includes(value))
    if (!more) return [`${here} may be any ${given.type}`]
    return more.map((value) => `${here} may be ${JSON.stringify(value)}`)
  }
  if (taken.type === undefined) return []
  if (!sameType(given, taken)) return [`${here} is ${given.type ?? 'anything'}, not ${taken.type}`]
  return [...bounds(given, taken, here), ...parts(given, taken, at)]
}

/** What a value may be one of. */
function branches(schema: Schema): Schema[] {
  if (schema.anyOf) return (schema.anyOf as Schema[]).flatMap(branches)
  if (!Array.isArray(schema.type)) return [schema]
  return (schema.type as string[]).map((type) => (type === 'null' ? { type } : { ...schema, type }) as Schema)
}

const valuesOf = ({ enum: values, const: value }: Schema) => values ?? (value === undefined ? undefined : [value])
const sameType = ({ type: given }: Schema, { type: taken }: Schema) =>
  given === taken || (given === 'integer' && taken === 'number')

function bounds(given: Schema, taken: Schema, here: string): string[] {
  const found: string[] = []
  for (const lower of ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'] as const)
    if (taken[lower] !== undefined && (given[lower] ?? Number.NEGATIVE_INFINITY) < taken[lower])
      found.push(`${here} has ${lower} ${given[lower] ?? 'none'}, not ${taken[lower]}`)
  for (const upper of ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'] as const)
    if (taken[upper] !== undefined && (given[upper] ?? Number.POSITIVE_INFINITY) > taken[upper])
      found.push(`${here} has ${upper} ${given[upper] ?? 'none'}, not ${taken[upper]}`)
  for (const same of ['format', 'pattern', 'multipleOf'] as const)
    if (taken[same] !== undefined && given[same] !== taken[same])
      found.push(`${here} has ${same} ${given[same] ?? 'none'}, not ${taken[same]}`)
  return found
}

function parts(given: Schema, taken: Schema, at: string): string[] {
  if (taken.type === 'array' && taken.items)
    return misfits((given.items as Schema) ?? {}, taken.items as Schema, `${at}[]`)
  if (taken.type !== 'object') return []
  const path = (name: string) => (at ? `${at}.${name}` : name)
  const known = (taken.properties ?? {}) as Record<string, Schema>
  const present = (given.properties ?? {}) as Record<string, Schema>
  const missing = (taken.required ?? [])
    .filter((name) => !given.required?.includes(name))
    .map((name) => `${path(name)} may be missing`)
  const unknown = Object.keys(present).filter((name) => !(name in known))
  const others = taken.additionalProperties
  return [
    ...missing,
    ...Object.entries(present).flatMap(([name, schema]) =>
      known[name] ? misfits(schema, known[name], path(name)) : [],
    ),
    ...(others === false ? unknown.map((name) => `${path(name)} is not known`) : []),
    ...(typeof others === 'object' && typeof given.additionalProperties === 'object'
      ? misfits(given.additionalProperties as Schema, others as Schema, path('*'))
      : []),
  ]
}
