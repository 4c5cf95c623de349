import { inSpan, record } from '@offshoot/telemetry'
import type { z } from 'zod'
import { type CallMeta, type Contract, type Handlers, metaOf } from './contract.ts'
import type { Identity, IdentityToken, IdentityTokens } from './identity.ts'
import { plainCopy, plainOutputOf } from './plain.ts'
import { badInput, deadlineExceeded, internal, Problem, type ProblemCode } from './problem.ts'
import type { TenantId } from './values.ts'

/** What travels with a call besides its input. On the wire these are HTTP headers. */
export interface CallHeaders {
  /** Vouches for who calls. Text on the wire. */
  token: IdentityToken
  /** How long the caller still waits, in ms. A duration and not a time, so that clocks may differ. */
  budget: number
  /** Leads from an answer to the log lines of everything that was done for it. */
  requestId: string
}

/** One call being served, as a unit of work sees it. */
export interface Call {
  /** `orders.place` */
  name: string
  identity: Identity
  /** When the caller stops waiting, in ms of this process' `performance.now()`. */
  deadline: number
  requestId: string
  /** Aborted at the deadline, and when the call is over. */
  signal: AbortSignal
}

/** A unit of work: the context that a handler gets, and what to do when the call is over, whichever way it ended. */
export interface UnitOfWork<Context> {
  context: Context
  close(): void
}

export interface CallServer {
  contract: Contract
  /**
   * Serves one call. Input and output are plain JSON values that share nothing with the caller's. Rejects with a `Problem` and
   * nothing else. The caller's identity is verified here, on the in-process link as on the wire. `gone` is aborted when nobody waits for the answer any more.
   */
  handle(name: string, input: unknown, headers: CallHeaders, gone?: AbortSignal): Promise<unknown>
}

export interface ServeOptions<C extends Contract, Context> {
  contract: C
  handlers: Handlers<C, Context>
  tokens: IdentityTokens
  /** Begins the unit of work of a call. */
  open(call: Call): UnitOfWork<Context>
  /** Told what callers are not: the error behind an INTERNAL, an UNAVAILABLE or whatever else has a cause. */
  onUnexpected(
    error: unknown,
    call: { name: string; requestId: string; tenant: TenantId | null; code: ProblemCode },
  ): void
}

/** A call that the contract declares, and what serves it. */
interface Served<Context> {
  name: string
  meta: CallMeta
  handler(context: Context, input: unknown): Promise<unknown>
  toPlain(output: unknown): unknown
}

/** Puts handlers behind their contract: identity, permission, validation both ways, deadline, and errors of the closed list. */
export function serve<C extends Contract, Context>(options: ServeOptions<C, Context>): CallServer {
  const { contract, tokens } = options
  const calls = new Map<string, Served<Context>>(
    Object.entries(contract.calls).map(([key, procedure]) => [
      key,
      {
        name: `${contract.name}.${key}`,
        meta: metaOf(procedure),
        handler: options.handlers[key]!,
        toPlain: plainOutputOf(procedure['~orpc'].outputSchema as z.ZodType),
      },
    ]),
  )

  /** Notes the identity in `seen` once it is verified, for reports of failures and for telemetry. */
  async function answer(
    { name, meta, handler, toPlain }: Served<Context>,
    sent: unknown,
    headers: CallHeaders,
    gone: AbortSignal | undefined,
    seen: { identity?: Identity },
  ): Promise<unknown> {
    const { token, budget, requestId } = headers
    if (!(budget > 0)) throw deadlineExceeded()
    const copy = plainCopy(sent)
    const identity = tokens.verify(token, contract.name)
    seen.identity = identity
    authorize(identity, meta, contract, name)
    // After that, so that who may not call learns nothing about what a call takes.
    const input = meta.input().safeParse(copy)
    if (!input.success) throw invalidInput(input.error)
    const call = new CallUnderWay(name, identity, performance.now() + budget, requestId)
    const unit = options.open(call)
    try {
      const output = meta.output().safeParse(await within(budget, gone, handler(unit.context, input.data)))
      if (!output.success) throw unfitOutput(output.error)
      return toPlain(output.data)
    } finally {
      call.end()
      unit.close()
    }
  }

  function report(problem: Problem, name: string, requestId: string, identity: Identity | undefined): Problem {
    const { code, cause } = problem
    if (code === 'INTERNAL' || cause !== undefined)
      options.onUnexpected(cause ?? problem, { name, requestId, tenant: identity?.tenant ?? null, code })
    return problem
  }

  return {
    contract,
    async handle(key, input, headers, gone) {
      const call = calls.get(key)
      // Before anything is traced or measured: callers must not invent names of spans and series.
      if (!call) throw new Problem('NOT_FOUND', 'CALL_NOT_FOUND', `${contract.name} has no call '${key}'.`)
      const { name, meta } = call
      const seen: { identity?: Identity } = {}

      const began = performance.now()
      const attributes = { 'rpc.system.name': 'offshoot', 'rpc.method': name, domain: contract.name }
      let problem: Problem | undefined
      try {
        return await inSpan('rpc.call', name, { attributes }, async (span) => {
          try {
            return await answer(call, input, headers, gone, seen)
          } catch (error) {
            throw report(toProblem(error, meta), name, headers.requestId, seen.identity)
          } finally {
            if (seen.identity?.tenant) span.setAttribute('tenant.id', seen.identity.tenant)
          }
        })
      } catch (error) {
        problem = error as Problem
        throw asTravelled(problem)
      } finally {
        const plan = seen.identity?.plan
        record('rpc.server.call.duration', (performance.now() - began) / 1000, {
          'rpc.method': name,
          domain: contract.name,
          ...(plan && { 'tenant.plan': plan }),
          ...(problem && { 'error.type': problem.code }),
        })
      }
    },
  }
}

/** Why a call's signal is aborted in the end. Made once: without a reason every call would make a DOMException, with its stack. */
const over = new Error('The call is over.')

/** Has a signal when somebody asks for it, which few calls need. */
class CallUnderWay implements Call {
  readonly name: string
  readonly identity: Identity
  readonly deadline: number
  readonly requestId: string
  #cancel: AbortController | undefined
  #over = false

  constructor(name: string, identity: Identity, deadline: number, requestId: string) {
    this.name = name
    this.identity = identity
    this.deadline = deadline
    this.requestId = requestId
  }

  get signal(): AbortSignal {
    if (!this.#cancel) {
      this.#cancel = new AbortController()
      if (this.#over) this.#cancel.abort(over)
    }
    return this.#cancel.signal
  }

  end(): void {
    this.#over = true
    this.#cancel?.abort(over)
  }
}

/** The one place where permissions are checked. */
function authorize({ actor, tenant, role, scopes }: Identity, meta: CallMeta, contract: Contract, name: string): void {
  if (meta.audience === 'edge') {
    if (actor.kind !== 'edge')
      throw new Problem('FORBIDDEN', 'EDGE_ONLY', `${name} is not for callers outside the gateway.`)
    return
  }
  if (actor.kind === 'anonymous' || actor.kind === 'edge') {
    throw new Problem('UNAUTHENTICATED', 'SIGN_IN_REQUIRED', 'Sign in, or send a token.')
  }
  if (meta.audience === 'operator') {
    if (actor.kind !== 'user' || !actor.operator)
      throw new Problem('FORBIDDEN', 'OPERATOR_ONLY', 'This is for the staff of the product.')
    return
  }
  if (meta.audience === 'user') {
    if (actor.kind !== 'user')
      throw new Problem('FORBIDDEN', 'USER_ONLY', 'This needs a signed-in user; an API key cannot do it.')
    return
  }
  if (actor.kind === 'service') {
    if (tenant !== null && meta.kind === 'query') return
    throw new Problem(
      'FORBIDDEN',
      'READS_ONLY',
      `${name} is not for the handling of an event; emit an event of your own.`,
    )
  }
  if (tenant === null || role === null) {
    throw new Problem(
      'BAD_USER_INPUT',
      'TENANT_REQUIRED',
      'Say which organization is meant: by the header x-tenant or by the host name.',
    )
  }
  const roles = contract.actions[meta.action!]!
  if (!roles.includes(role))
    throw new Problem('FORBIDDEN', 'ROLE_REQUIRED', `This needs one of the roles ${roles.join(', ')}.`, {
      data: { action: meta.action },
    })
  if (scopes && !scopes.includes(meta.action!)) {
    throw new Problem('FORBIDDEN', 'SCOPE_REQUIRED', `This API key does not have the scope '${meta.action}'.`, {
      data: { action: meta.action },
    })
  }
}

/** Waits for `work` until the budget is used up, or the caller gone. Abandoned work may still fail: its caller has its answer already. */
function within<T>(budget: number, gone: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      stopWaiting()
      reject(deadlineExceeded())
    }
    const timer = setTimeout(giveUp, budget)
    const stopWaiting = () => {
      clearTimeout(timer)
      gone?.removeEventListener('abort', giveUp)
    }
    work.finally(stopWaiting).then(resolve, reject)
    if (gone?.aborted) giveUp()
    else gone?.addEventListener('abort', giveUp)
  })
}

/** The problem as it arrives at the other end of a wire: its data a copy, its cause and its stack left behind. */
function asTravelled({ code, reason, message, data }: Problem): Problem {
  return new Problem(code, reason, message, { data })
}

/** How many of an input's issues an answer lists: a long list may be wrong throughout. */
const mostIssues = 20

/** Codes that any call may answer with, whatever it declares. */
const always: ReadonlySet<ProblemCode> = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'RATE_LIMITED',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
])
const builtIn: ReadonlySet<string> = new Set(['BAD_USER_INPUT/TENANT_REQUIRED', 'BAD_USER_INPUT/INVALID_INPUT'])

function toProblem(error: unknown, meta: CallMeta): Problem {
  if (error instanceof Problem) {
    const { code, reason } = error
    const name = `${code}/${reason}`
    if (!always.has(code) && meta.reasons[reason] !== code && !builtIn.has(name)) {
      return internal(new Error(`The problem ${name} is not declared in the contract.`, { cause: error }))
    }
    return withPlainData(error)
  }
  return internal(error)
}

function invalidInput({ issues: all }: z.ZodError): Problem {
  const issues = all.slice(0, mostIssues).map(({ path, message }) => ({ path: path.map(String).join('.'), message }))
  const first = issues[0]!
  return badInput('INVALID_INPUT', `${first.path || 'The input'}: ${first.message}`, { issues })
}

function unfitOutput({ issues: all }: z.ZodError): Problem {
  const issues = all.slice(0, mostIssues).map(({ path, message }) => `${path.map(String).join('.')}: ${message}`)
  return internal(new Error(`The answer does not fit the contract: ${issues.join('; ')}`))
}

/** The same problem, its data copied as values are. */
function withPlainData(problem: Problem): Problem {
  if (problem.data === undefined) return problem
  const { code, reason, message, cause } = problem
  try {
    return new Problem(code, reason, message, { data: plainCopy(problem.data), cause })
  } catch (unfit) {
    return internal(new Error(`The data of the problem ${code}/${reason} is not JSON.`, { cause: unfit }))
  }
}
