/**
 * The closed list of error codes: every contract, every GraphQL error (`extensions.code`) and every HTTP answer uses these and no
 * others. UNAVAILABLE and DEADLINE_EXCEEDED belong to every call, wherever the domain runs, so that callers handle them from the
 * first day and not from the day of an extraction.
 */
export const problemCodes = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'CONFLICT',
  'RATE_LIMITED',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
] as const

export type ProblemCode = (typeof problemCodes)[number]

/** More about a failure, for programs: which field, which limit. Plain JSON; no secrets, no personal data, no other tenant's values. */
export type ProblemData = Record<string, unknown>

/**
 * A failure that a caller is told about. `reason` is a stable word for programs (`SKU_TAKEN`), `message` a sentence for people.
 * Anything else that is thrown inside a domain reaches callers as INTERNAL, without its message.
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly reason: string
  readonly data: ProblemData | undefined

  constructor(
    code: ProblemCode,
    reason: string,
    message: string,
    options: { data?: ProblemData; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.reason = reason
    this.data = options.data
  }
}

/** What was asked for does not exist, or not for this tenant: the answer is the same, so that nothing can be inferred from it. */
export function notFound(kind: string): Problem {
  return new Problem('NOT_FOUND', `${constant(kind)}_NOT_FOUND`, `There is no such ${words(kind)}.`)
}

/** The request contradicts the present state; `reason` must be declared by the call in its contract. */
export function conflict(reason: string, message: string, data?: ProblemData): Problem {
  return new Problem('CONFLICT', reason, message, { data })
}

/** The input is well-formed but not acceptable; `reason` must be declared by the call in its contract. */
export function badInput(reason: string, message: string, data?: ProblemData): Problem {
  return new Problem('BAD_USER_INPUT', reason, message, { data })
}

/** The caller is known and may not do this. */
export function forbidden(reason: string, message: string): Problem {
  return new Problem('FORBIDDEN', reason, message)
}

/** The unexpected, as callers see it. `cause` is for the log and never travels. */
export function internal(cause: unknown): Problem {
  return new Problem(
    'INTERNAL',
    'UNEXPECTED',
    'Something went wrong on our side. The request id leads to it in the log.',
    { cause },
  )
}

export function unavailable(reason: string, message: string, cause?: unknown): Problem {
  return new Problem('UNAVAILABLE', reason, message, { cause })
}

/** The part of the product that was asked is not to be reached. */
export function serviceUnavailable(cause?: unknown): Problem {
  return unavailable('SERVICE', 'A part of the product is not available at the moment. Try again.', cause)
}

export function deadlineExceeded(cause?: unknown): Problem {
  return new Problem('DEADLINE_EXCEEDED', 'DEADLINE', 'This took longer than the caller was willing to wait.', {
    cause,
  })
}

const words = (kind: string) => kind.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()
const constant = (kind: string) => words(kind).replaceAll(' ', '_').toUpperCase()
