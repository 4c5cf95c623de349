/**
 * Calls `expired` after `ms`, and returns how to call that off. A process that was busy itself for so long that the timer came late
 * has not looked at what arrived in the meantime: it looks first, for as long as it was late and at most as long again.
 */
export function patience(ms: number, expired: () => void): () => void {
  const due = performance.now() + ms
  let timer = setTimeout(() => {
    const late = performance.now() - due
    if (late < 50) expired()
    else timer = setTimeout(expired, Math.min(late, ms))
  }, ms)
  return () => clearTimeout(timer)
}
