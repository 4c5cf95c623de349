import { State } from './feature.ts'

export interface ServerOptions {
  /** Where its API is: `https://unleash.example.com/api`. */
  url: string
  token: string
  appName: string
  /** How long after an answer it is asked again, in ms. */
  every: number
  /** Told of every new state. */
  onState(state: State): void
  /** Told of every answer, and of every failure to get one with what went wrong. */
  onOutcome(failure: string | undefined): void
}

/** A server that is slow is better than none: its answer is waited for this long, in ms. Meanwhile the flags are said to be degraded. */
const longestAnswer = 15_000
const largestAnswer = 20 * 1024 * 1024
/** The longest pause between attempts while the server does not answer, in ms: how late its return may be noticed. */
const longestPause = 5_000

/** Asks an Unleash server for the state of all flags again and again, whatever it answers, until it is told to stop. */
export function watchServer({ url, token, appName, every, onState, onOutcome }: ServerOptions): { stop(): void } {
  const stopped = new AbortController()
  let etag: string | undefined
  let failures = 0
  let timer: NodeJS.Timeout | undefined

  async function ask(): Promise<void> {
    try {
      const response = await fetch(`${url.replace(/\/$/, '')}/client/features`, {
        headers: {
          authorization: token,
          accept: 'application/json',
          'unleash-appname': appName,
          'unleash-client-spec': '5.2.0',
          ...(etag && { 'if-none-match': etag }),
        },
        redirect: 'manual', // a token is for nobody else
        signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(longestAnswer)]),
      })
      if (response.status === 304) await response.body?.cancel()
      else if (response.status === 200) {
        const state = await read(response)
        if (stopped.signal.aborted) return
        onState(state)
        etag = response.headers.get('etag') ?? undefined // only now: what could not be read must be asked for again
      } else {
        await response.body?.cancel()
        throw new Unusable(
          response.status === 401 || response.status === 403
            ? `refuses the token (${response.status})`
            : `answers with status ${response.status}`,
        )
      }
      failures = 0
      if (!stopped.signal.aborted) onOutcome(undefined)
    } catch (error) {
      if (stopped.signal.aborted) return
      failures++
      onOutcome(reason(error))
    } finally {
      if (!stopped.signal.aborted) timer = setTimeout(ask, pause()).unref()
    }
  }

  const pause = () =>
    failures === 0 ? every : Math.min(longestPause, every * 2 ** (failures - 1)) * (0.75 + Math.random() / 2)

  void ask()
  return {
    stop() {
      stopped.abort()
      clearTimeout(timer)
    },
  }
}

/** It answers, and not as an Unleash server does. The message holds nothing of the answer. */
class Unusable extends Error {}

async function read(response: Response): Promise<State> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const part of response.body ?? []) {
    text += decoder.decode(part as Uint8Array, { stream: true })
    if (text.length > largestAnswer) throw new Unusable(`answers with more than ${largestAnswer} characters`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Unusable('answers with something that is not JSON')
  }
  const state = State.safeParse(json)
  if (!state.success)
    throw new Unusable(
      `answers with JSON that is no state of flags (${state.error.issues[0]?.path.join('.') || 'no object'})`,
    )
  return state.data
}

function reason(error: unknown): string {
  if (error instanceof Unusable) return error.message
  const { name, code, cause } = error as { name?: string; code?: string; cause?: { code?: string } }
  return name === 'TimeoutError' ? 'does not answer in time' : `cannot be reached (${cause?.code ?? code ?? name})`
}
