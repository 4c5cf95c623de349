import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

export interface Variant {
  name: string
  /** What a reader needs to know to judge it. */
  about: string
  /** One call. */
  call(): Promise<unknown>
}

export interface Figures {
  /** Calls per second, one figure for each round. */
  rounds: number[]
  median: number
}

interface RoundsOptions {
  /** How many calls are on their way at any time. */
  callers: number
  /** How often each variant is measured. */
  rounds: number
  /** How long it is measured each time, in ms. */
  duration: number
  /** How long each is called before anything is measured, in ms. Default: as long as a round. */
  warmUp?: number
}

/**
 * Measures variants in turns, every other time the other way round, so that whatever else the machine does, and whatever a variant leaves behind for the next, meets all of
 * them alike. Each call begins in a turn of the event loop of its own, as requests do that arrive by the network.
 */
export async function measure(variants: readonly Variant[], options: RoundsOptions): Promise<Map<Variant, Figures>> {
  const figures = new Map(variants.map((variant) => [variant, [] as number[]]))
  for (const variant of variants) await throughput(variant, options.callers, options.warmUp ?? options.duration)
  for (let round = 0; round < options.rounds; round++) {
    const turn = round % variants.length
    const order = [...variants.slice(turn), ...variants.slice(0, turn)]
    for (const variant of round % 2 ? order.reverse() : order) {
      await sleep(50)
      figures.get(variant)!.push(await throughput(variant, options.callers, options.duration))
    }
  }
  return new Map([...figures].map(([variant, rounds]) => [variant, { rounds, median: median(rounds) }]))
}

async function throughput({ call }: Variant, callers: number, duration: number): Promise<number> {
  let calls = 0
  const began = performance.now()
  const end = began + duration
  async function caller(): Promise<void> {
    while (performance.now() < end) {
      await nextTurn()
      await call()
      calls++
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return (calls * 1_000) / (performance.now() - began)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
