import { createHash } from 'node:crypto'

interface Request {
  lines: readonly { productId: string; quantity: number }[]
  paymentMethod?: string | undefined
}

/** The same for two requests that ask for the same: the lines may stand in any order. The version in front leaves room to ask for more one day. */
export function requestHash({ lines, paymentMethod }: Request): string {
  const wanted = lines
    .map(({ productId, quantity }) => [productId, quantity] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([1, wanted, paymentMethod ?? null]))
    .digest('hex')
}
