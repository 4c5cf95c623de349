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
  /** Ends the pause under way, where being woken does. */
  let rouse = () => {}
  let endPause = () => {}
  let failures = 0

  function pause(ms: number, wakeable: boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms)
      function done() {
        clearTimeout(timer)
        rouse = endPause = () => {}
        resolve()
      }
      endPause = done
      if (wakeable) rouse = done
    })
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = false
      try {
        const more = await work(stopping.signal)
        if (failures > 0) onTrouble(undefined)
        failures = 0
        if (!more && !woken && !stopping.signal.aborted) await pause(idle, true)
      } catch (error) {
        if (stopping.signal.aborted) return
        if (failures++ === 0) onTrouble(error)
        await pause(Math.min(longestPause, 50 * 2 ** failures) * (0.5 + Math.random() / 2), false)
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
      endPause()
      await running
    },
  }
}
