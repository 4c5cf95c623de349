import { badInput, type InputOf } from '@offshoot/rpc'
import type { orders } from './contract.ts'

type Lines = InputOf<typeof orders.calls.place>['lines']

/** The most of a product that one order can hold, on however many lines. */
const most = 10_000

/** The same wish with each product on one line, where it is first named. */
export function mergeLines(lines: Lines): Lines {
  const quantities = new Map<Lines[number]['productId'], number>()
  for (const { productId, quantity } of lines) quantities.set(productId, (quantities.get(productId) ?? 0) + quantity)
  return Array.from(quantities, ([productId, quantity]) => ({ productId, quantity }))
}

/** Refuses what the lines of a request cannot say together; as an invalid input, which it would be if a schema could tell. */
export function assertOrderable(lines: Lines, merged: Lines, mayMerge: boolean): void {
  if (!mayMerge && merged.length < lines.length) throw invalidLines('must name each product once')
  if (merged.some(({ quantity }) => quantity > most)) throw invalidLines(`must ask for at most ${most} of a product`)
}

const invalidLines = (message: string) =>
  badInput('INVALID_INPUT', `lines: ${message}`, { issues: [{ path: 'lines', message }] })
