import { setTimeout as sleep } from 'node:timers/promises'

export interface LoopOptions {
  /** Does a piece of work; true when there may be more at once. */
  work(signal: AbortSignal): Promise<boolean>
  /** How long to wait for `wake` when there is nothing to do, in ms. */
  idle: number
  /** Told of the first failure, and of the end of a series of failures. */
  onTrouble(error: unknown | undefined): void
}

export interface Loop {
  /** There is something to do. */
  wake(): void
  /** Resolves when the piece of work under way is over. */
  stop(): Promise<void>
}

const longestPause = 5_000

/** Works whenever there is something to do, and goes on after failures, with pauses that grow to 5 s. */
export function startLoop({ work, idle, onTrouble }: LoopOptions): Loop {
  const stopping = new AbortController()
  let woken = false
  let rouse = () => {}
  let failures = 0

  async function pause(ms: number): Promise<void> {
    if (woken) return
    const timer = new AbortController()
    rouse = () => timer.abort()
    await sleep(ms, undefined, { signal: AbortSignal.any([timer.signal, stopping.signal]) }).catch(() => {})
    rouse = () => {}
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = false
      try {
        const more = await work(stopping.signal)
        if (failures > 0) onTrouble(undefined)
        failures = 0
        if (!more) await pause(idle)
      } catch (error) {
        if (stopping.signal.aborted) return
        if (failures++ === 0) onTrouble(error)
        await sleep(Math.min(longestPause, 50 * 2 ** failures) * (0.5 + Math.random() / 2), undefined, {
          signal: stopping.signal,
        }).catch(() => {})
      }
    }
  }
  const running = run()

  return {
    wake() {
      woken = true
      rouse()
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
