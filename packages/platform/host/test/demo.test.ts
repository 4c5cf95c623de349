import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { demoId } from '../src/index.ts'

describe('the id of a piece of demo data', () => {
  it('is the same each time, and another for another kind or key', () => {
    expect(demoId('tenant', 'acme')).toBe('019b76da-a800-7cef-841e-ed96b2cb03f0')
    expect(new Set([demoId('tenant', 'acme'), demoId('tenant', 'globex'), demoId('user', 'acme')]).size).toBe(3)
  })

  it('is a UUIDv7, in lower case, that sorts by its time', () => {
    const times = [0, 1, Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1, 0, 0, 1), Date.UTC(9999, 0)]
    const ids = times.map((at) => demoId('order', 'acme:1', at))
    for (const id of ids) expect(z.uuid({ version: 'v7' }).parse(id)).toBe(id.toLowerCase())
    expect(ids.toSorted()).toEqual(ids)
    expect(demoId('order', 'acme:1', new Date(times[2]!))).toBe(ids[2])
  })
})
