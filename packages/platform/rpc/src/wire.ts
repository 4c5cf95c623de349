import { z } from 'zod'
import { Problem, type ProblemCode, problemCodes } from './problem.ts'

/**
 * A call as it travels over HTTP (RFC 9110): `POST /calls/<contract>/<call>`, its input as JSON, the caller's token as bearer token. The answer is 200 with the
 * output as JSON, or a problem: its code's status, and the problem as JSON.
 */
export const callsPath = '/calls/'

export const wireHeaders = {
  /** How long the caller still waits, in ms. */
  budget: 'x-call-budget',
  requestId: 'x-request-id',
  traceparent: 'traceparent',
} as const

/** The largest input and the largest output, in bytes: far more than any contract allows, so that it is the contract that refuses. */
export const largestBody = 16 * 1024 * 1024

export const statusOf: Record<ProblemCode, number> = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
}

const ProblemBody = z.strictObject({
  code: z.enum(problemCodes),
  reason: z.string(),
  message: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
})

export function problemBody({ code, reason, message, data }: Problem): string {
  return JSON.stringify({ code, reason, message, data })
}

/** The problem that an answer holds; undefined when whatever answered is not a service of ours. */
export function problemFrom(status: number, body: unknown): Problem | undefined {
  const { success, data: problem } = ProblemBody.safeParse(body)
  if (!success || statusOf[problem.code] !== status) return undefined
  const { code, reason, message, data } = problem
  return new Problem(code, reason, message, { data })
}
