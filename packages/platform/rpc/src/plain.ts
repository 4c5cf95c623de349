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
