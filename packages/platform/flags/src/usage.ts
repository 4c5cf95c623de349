/**
 * Tells an Unleash server how often flags were on and off, which is how it knows those that nobody asks for any more. Figures that cannot be delivered are dropped:
 * they are not worth memory.
 */
export interface Usage {
  count(key: string, enabled: boolean, variant?: string): void
  stop(): void
}

interface Counts {
  yes: number
  no: number
  variants: Record<string, number>
}

export interface UsageOptions {
  url: string
  token: string
  appName: string
  instanceId: string
  /** How often, in ms. */
  every: number
}

export function reportUsage({ url, token, appName, instanceId, every }: UsageOptions): Usage {
  let toggles: Record<string, Counts> = {}
  let start = new Date()

  async function post(path: string, body: object): Promise<void> {
    try {
      const response = await fetch(`${url.replace(/\/$/, '')}/client/${path}`, {
        method: 'POST',
        headers: { authorization: token, 'content-type': 'application/json', 'unleash-appname': appName },
        body: JSON.stringify({ appName, instanceId, ...body }),
        redirect: 'manual', // a token is for nobody else
        signal: AbortSignal.timeout(5_000),
      })
      await response.body?.cancel()
    } catch {} // Whoever asks for the state of flags says how the server is.
  }

  void post('register', { started: start, interval: every, strategies: ['default', 'flexibleRollout'] })
  const timer = setInterval(() => {
    const stop = new Date()
    const bucket = { start, stop, toggles }
    start = stop
    toggles = {}
    if (Object.keys(bucket.toggles).length > 0) void post('metrics', { bucket })
  }, every).unref()

  return {
    count(key, enabled, variant) {
      toggles[key] ??= { yes: 0, no: 0, variants: {} }
      const counts = toggles[key]
      if (enabled) counts.yes++
      else counts.no++
      if (variant !== undefined) counts.variants[variant] = (counts.variants[variant] ?? 0) + 1
    },
    stop: () => clearInterval(timer),
  }
}
