import { endSpan, startSpan, traceparentOf } from '@offshoot/telemetry'
import { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel'
import { type Dispatcher, Pool } from 'undici'
import type { Link } from './client.ts'
import { metaOf, type Procedure } from './contract.ts'
import { plainCopy } from './plain.ts'
import { deadlineExceeded, internal, Problem, type ProblemCode, serviceUnavailable, unavailable } from './problem.ts'
import { callsPath, largestBody, problemFrom, wireHeaders } from './wire.ts'

export interface RemoteOptions {
  /** Connections to the service, kept alive. Default 64. */
  connections?: number
  /** Calls under way to the service at a time; more are refused. One tenant has at most three quarters of them. Default 256. */
  calls?: number
  /** Told what callers are not: why a call could not be made, or an answer not be understood. */
  onUnexpected?(error: unknown, call: { name: string; requestId: string; code: ProblemCode }): void
}

export interface Remote {
  readonly link: Link
  close(): Promise<void>
}

/** After so many calls in a row that did not reach the service, or were not answered, calls fail at once … */
const mostFailures = 10
/** … until one is let through again, after so many ms. */
const breakFor = 1_000
/** A time-out tells something about the service only when it had this long, in ms. */
const fairChance = 500
/** Retries are at most this share of the calls, so that a service in trouble is not given more to do. */
const retryShare = 0.1

/**
 * The link to a service of ours at `url`. A call that cannot be answered is UNAVAILABLE, one that is not answered in time DEADLINE_EXCEEDED. What surely did not arrive is
 * sent once more, and so are queries that were not answered.
 */
export function remoteLink(
  url: string,
  { connections = 64, calls = 256, onUnexpected = () => {} }: RemoteOptions = {},
): Remote {
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    keepAliveTimeout: 30_000, // shorter than the service's own, so that it is not the one who closes
    connectTimeout: 1_000,
    maxResponseSize: largestBody,
  })
  const breaker = circuitBreaker(
    handleWhen((error) => error instanceof Lost),
    { halfOpenAfter: breakFor, breaker: new ConsecutiveBreaker(mostFailures) },
  )
  const room = bulkhead(calls)
  let retries = 0

  /** By `dispatch`, since undici's `request` makes a stream of each answer, which costs more than the rest of it. */
  function send(path: string, body: string, headers: Record<string, string>, deadline: number, cancel?: AbortSignal) {
    const budget = deadline - performance.now()
    return new Promise<Answer>((resolve, reject) => {
      if (budget <= 0 || cancel?.aborted) throw deadlineExceeded()
      let status = 0
      const parts: Buffer[] = []
      let request: Dispatcher.DispatchController | undefined
      let given: Error | undefined
      const stopWaiting = () => {
        clearTimeout(timer)
        cancel?.removeEventListener('abort', leave)
      }
      const giveUp = (why: Error) => {
        given = why
        stopWaiting()
        reject(why)
        request?.abort(why)
      }
      const leave = () => giveUp(deadlineExceeded())
      const timer = setTimeout(
        () => giveUp(budget < fairChance ? deadlineExceeded() : new Lost(undefined, true)),
        budget,
      )
      cancel?.addEventListener('abort', leave)
      pool.dispatch(
        { method: 'POST', path, body, headers: { ...headers, [wireHeaders.budget]: budget.toFixed(1) } },
        {
          onRequestStart(controller) {
            request = controller
            if (given) controller.abort(given)
          },
          onResponseStart(_, statusCode) {
            status = statusCode
          },
          onResponseData(_, part) {
            parts.push(part)
          },
          onResponseEnd() {
            stopWaiting()
            resolve({ status, text: Buffer.concat(parts).toString() })
          },
          onResponseError(_, error) {
            stopWaiting()
            reject(new Lost(error, false))
          },
        },
      )
    })
  }

  const link: Link = async (contract, call, input, { token, budget, requestId }, caller) => {
    const deadline = performance.now() + budget
    const { kind } = metaOf(contract.calls[call]!)
    const name = `${contract.name}.${call}`
    const leave = room(caller?.identity.tenant ?? '')
    const span = startSpan('rpc.send', `call ${name}`, {
      attributes: { 'rpc.system.name': 'offshoot', 'rpc.method': name, domain: contract.name },
    })
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      [wireHeaders.requestId]: requestId,
      ...traceHeader(traceparentOf(span)),
    }
    const path = `${callsPath}${contract.name}/${call}`
    try {
      const body = JSON.stringify(asPlain(input))
      const once = () => breaker.execute(() => send(path, body, headers, deadline, caller?.signal))
      retries = Math.min(10, retries + retryShare)
      const answer = await once().catch((error) => {
        if (!(error instanceof Lost) || !error.mayRetry(kind === 'query') || retries < 1) throw error
        retries--
        return once()
      })
      const output = outputOf(contract.calls[call]!, answer)
      span.end()
      return output
    } catch (error) {
      const problem = problemOf(error)
      const { code, cause } = problem
      if (cause !== undefined && !(cause instanceof BrokenCircuitError)) onUnexpected(cause, { name, requestId, code })
      endSpan(span, problem)
      throw problem
    } finally {
      leave()
    }
  }
  return { link, close: () => pool.destroy() }
}

interface Answer {
  status: number
  text: string
}

/** Refuses what JSON would silently change, as the in-process link does. */
function asPlain(input: unknown): unknown {
  try {
    return plainCopy(input)
  } catch (error) {
    throw internal(error)
  }
}

const traceHeader = (traceparent: string | undefined): Record<string, string> => (traceparent ? { traceparent } : {})

/** The service was not reached, or did not answer. */
class Lost extends Error {
  readonly timedOut: boolean

  constructor(cause: unknown, timedOut: boolean) {
    super('The service did not answer.', { cause })
    this.timedOut = timedOut
  }

  mayRetry(repeatable: boolean): boolean {
    if (this.timedOut) return false
    const { code } = this.cause as { code?: string }
    return repeatable || code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
  }
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  return error instanceof Lost && error.timedOut ? deadlineExceeded() : serviceUnavailable(error)
}

/**
 * What the service says, in the shape of the contract as it is here. Fields that only a newer contract has are left out; what does not fit, or a call that the service
 * does not know, is from another version: that part of the product is being replaced.
 */
function outputOf(procedure: Procedure<any, any>, { status, text }: Answer): unknown {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw serviceUnavailable(error)
  }
  if (status === 200) {
    const output = metaOf(procedure).output().safeParse(body)
    if (!output.success) throw serviceUnavailable(output.error)
    return output.data
  }
  const problem = problemFrom(status, body)
  if (!problem || problem.reason === 'CALL_NOT_FOUND')
    throw serviceUnavailable(problem ?? new Error(`What answered with status ${status} is not a service of ours.`))
  throw problem
}

/** Refuses what is too much, without a queue: whoever waits here would only find less time left. */
function bulkhead(most: number): (tenant: string) => () => void {
  const share = Math.ceil(most * 0.75)
  const held = new Map<string, number>()
  let all = 0
  return (tenant) => {
    const own = held.get(tenant) ?? 0
    if (all >= most || own >= share)
      throw unavailable('BUSY', 'A part of the product has too much to do at the moment. Try again.')
    all++
    held.set(tenant, own + 1)
    return () => {
      all--
      const rest = held.get(tenant)! - 1
      if (rest > 0) held.set(tenant, rest)
      else held.delete(tenant)
    }
  }
}
