import type { z } from 'zod'

/**
 * Copies a value as a JSON round trip would (RFC 8259): `undefined` properties vanish, nothing is shared with the original. Refuses
 * whatever JSON would silently change or drop (dates, big integers, class instances, NaN, functions, cycles by depth), so that a
 * value that passes in-process passes on the wire too, and arrives as the same value. Several times faster than the round trip.
 */
export function plainCopy<T>(value: T): T {
  return copy(value, 0) as T
}

const deepest = 64

function copy(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} cannot travel through a contract: it is not JSON.`)
      return Object.is(value, -0) ? 0 : value
    case 'object':
      break
    default:
      throw new TypeError(`A value of type ${typeof value} cannot travel through a contract: it is not JSON.`)
  }
  if (value === null) return null
  if (depth === deepest)
    throw new TypeError(`A value nested deeper than ${deepest} levels cannot travel through a contract.`)
  if (Array.isArray(value)) {
    const items = new Array(value.length)
    for (let i = 0; i < value.length; i++) items[i] = value[i] === undefined ? null : copy(value[i], depth + 1)
    return items
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(
      `A ${prototype.constructor?.name ?? 'class instance'} cannot travel through a contract: it is not JSON.`,
    )
  }
  const result: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key]
    if (item === undefined) continue
    if (key === '__proto__')
      Object.defineProperty(result, key, {
        value: copy(item, depth + 1),
        enumerable: true,
        writable: true,
        configurable: true,
      })
    else result[key] = copy(item, depth + 1)
  }
  return result
}

/**
 * Makes of what `schema` parsed what `plainCopy` would make of it. Most schemas build all of their output anew, so that there is nothing to copy unless JSON would
 * change something: then it is looked through, which takes a quarter of the time.
 */
export function plainOutputOf(schema: z.ZodType): <T>(parsed: T) => T {
  return buildsAnew(schema) ? (parsed) => (isPlain(parsed) ? parsed : plainCopy(parsed)) : plainCopy
}

const leaves: ReadonlySet<string> = new Set(['string', 'number', 'boolean', 'enum', 'literal', 'null'])

/** Whether nothing of what the schema parses to is an object that it was given. False where that cannot be told. */
function buildsAnew(schema: z.core.$ZodType): boolean {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'object':
      return !def.checks?.length && !def.catchall && Object.values(def.shape).every(buildsAnew)
    case 'array':
      return !def.checks?.length && buildsAnew(def.element)
    case 'nullable':
    case 'optional':
      return buildsAnew(def.innerType)
    case 'union':
      return def.options.every(buildsAnew)
    default:
      return leaves.has(def.type)
  }
}

/** Whether a JSON round trip would give the same, of a value without class instances. */
function isPlain(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'object':
      if (value === null) return true
      if (Array.isArray(value)) return value.every(isPlain)
      for (const key in value) if (!isPlain((value as Record<string, unknown>)[key])) return false
      return true
    default:
      return false
  }
}
