import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FairQueue } from '../src/fair-queue.ts'

const anyone = () => true

describe('a fair queue', () => {
  it('serves in turns by key, and each key in order', () => {
    const queue = new FairQueue<string>()
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) queue.push(item[0]!, item)
    const served = Array.from({ length: 6 }, () => queue.shift(anyone))
    expect(served).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
    expect(queue.shift(anyone)).toBeUndefined()
  })

  it('passes over keys that may not be served now, which keep their place', () => {
    const queue = new FairQueue<string>()
    for (const item of ['a1', 'b1', 'b2']) queue.push(item[0]!, item)
    expect(queue.shift((key) => key !== 'a')).toBe('b1')
    expect(queue.shift(anyone)).toBe('a1')
  })

  it('forgets what is taken out', () => {
    const queue = new FairQueue<string>()
    queue.push('a', 'a1')
    queue.push('a', 'a2')
    expect(queue.remove('a', 'a1')).toBe(true)
    expect(queue.remove('a', 'a1')).toBe(false)
    expect(queue.remove('b', 'a2')).toBe(false)
    expect(queue.shift(anyone)).toBe('a2')
    expect([queue.has('a'), queue.keys]).toEqual([false, 0])
  })

  it('lets nobody wait longer than one item of every other key', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 60 }), (keys) => {
        const queue = new FairQueue<{ key: string; index: number }>()
        keys.forEach((key, index) => {
          queue.push(key, { key, index })
        })
        const served = keys.map(() => queue.shift(anyone)!)
        for (const key of new Set(keys)) {
          const places = served.flatMap((item, place) => (item.key === key ? [place] : []))
          expect(places.map((place) => served[place]!.index)).toEqual(
            keys.flatMap((k, index) => (k === key ? [index] : [])),
          )
          const others = new Set(keys).size - 1
          places.forEach((place, i) => {
            expect(place - (i ? places[i - 1]! : -1)).toBeLessThanOrEqual(others + 1)
          })
        }
      }),
    )
  })
})
