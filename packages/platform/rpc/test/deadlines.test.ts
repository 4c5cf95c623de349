import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { as, links, shelfBy } from './shelf.ts'

const soon = (ms: number) => ({ deadline: performance.now() + ms })

describe.each(links)('a deadline, %s', (way) => {
  const openShelf = shelfBy(way)
  it('ends a call that takes longer; its unit of work is closed, and its signal aborted', async () => {
    let signal: AbortSignal | undefined
    const { shelf, units } = openShelf({
      echo: async (context) => {
        signal = context.signal
        await sleep(2_000)
        return { value: 'late' }
      },
    })
    const began = performance.now()
    await expect(shelf(as('owner'), soon(30)).echo({ value: 1 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      reason: 'DEADLINE',
    })
    expect(performance.now() - began).toBeLessThan(1_900)
    await expect.poll(() => units).toEqual({ opened: 1, closed: 1 })
    expect(signal!.aborted).toBe(true)
  })

  it('that is over before the call lets nothing begin, on either side', async () => {
    const { shelf, server, tokens, units } = openShelf()
    await expect(shelf(as('owner'), soon(-1)).echo({ value: 1 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    const token = tokens.mint(as('owner'), 'shelf', Date.now() + 1_000)
    for (const budget of [0, -1, Number.NaN]) {
      await expect(server.handle('echo', { value: 1 }, { token, budget, requestId: 'r' })).rejects.toMatchObject({
        code: 'DEADLINE_EXCEEDED',
      })
    }
    expect(units.opened).toBe(0)
  })

  it('is passed on: a call made on the way has what is left of it', async () => {
    const left: number[] = []
    const { desk, units } = openShelf(
      {
        echo: async (context) => {
          left.push(context.deadline - performance.now())
          return { value: null }
        },
      },
      async (context, input) => {
        left.push(context.deadline - performance.now())
        await sleep(40)
        return context.shelf.echo({ value: input.value })
      },
    )
    await desk(as('owner'), soon(1_500)).ask({ value: 1 })
    const [outer, inner] = left as [number, number]
    expect(outer).toBeLessThanOrEqual(1_500)
    expect(inner).toBeLessThanOrEqual(outer - 35)
    expect(units).toEqual({ opened: 2, closed: 2 })
  })

  it('is two seconds when nobody set a tighter one', async () => {
    const { shelf } = openShelf({ echo: async ({ deadline }) => ({ value: deadline - performance.now() }) })
    for (const caller of [{}, soon(60_000)]) {
      const { value } = await shelf(as('owner'), caller).echo({ value: 1 })
      expect(value).toBeGreaterThan(1_000)
      expect(value).toBeLessThanOrEqual(2_000)
    }
  })

  it('closes the unit of work of a call that fails, too, and of one that succeeds', async () => {
    const { shelf, units } = openShelf({
      burn: async () => {
        throw new Error('no')
      },
    })
    await shelf()
      .burn({})
      .catch(() => {})
    await shelf().echo({ value: 1 })
    await shelf()
      .list({ first: 0 })
      .catch(() => {})
    expect(units.closed).toBe(units.opened)
  })

  it('leaves nothing of late work behind: neither an answer nor an unhandled failure', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', note)
    const { shelf, reported } = openShelf({
      echo: async () => {
        await sleep(30)
        throw new Error('late')
      },
    })
    await shelf(as('owner'), soon(5))
      .echo({ value: 1 })
      .catch(() => {})
    await sleep(50)
    process.off('unhandledRejection', note)
    expect([unhandled, reported]).toEqual([[], []])
  })
})
