/**
 * Calls `expired` after `ms`, and returns how to call that off. A process that was so busy itself that the timer came late has not
 * looked at what arrived in the meantime, so that it looks first: the time that it was late is added, up to five times `ms` in all.
 */
export function patience(ms: number, expired: () => void): () => void {
  const began = performance.now()
  let timer = wait(ms)

  function wait(time: number): NodeJS.Timeout {
    const due = performance.now() + time
    return setTimeout(() => {
      const now = performance.now()
      const late = now - due
      if (late < 50 || now - began > 5 * ms) expired()
      else timer = wait(Math.min(late, ms))
    }, time)
  }

  return () => clearTimeout(timer)
}
