import { inSpan, record } from '@offshoot/telemetry'
import { ValidationError } from '@orpc/contract'
import { call as callProcedure, type Implementer, implement, ORPCError } from '@orpc/server'
import { type CallMeta, type Contract, type Handlers, metaOf } from './contract.ts'
import type { Identity, IdentityTokens } from './identity.ts'
import { plainCopy } from './plain.ts'
import { badInput, deadlineExceeded, internal, Problem, type ProblemCode } from './problem.ts'
import type { TenantId } from './values.ts'

/** What travels with a call besides its input. On the wire these are HTTP headers. */
export interface CallHeaders {
  /** The signed identity, see `IdentityTokens`. */
  token: string
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

interface RequestContext {
  headers: CallHeaders
  gone: AbortSignal | undefined
  /** Noted once it is verified, for reports of failures and for telemetry. */
  identity: Identity | undefined
}

/** Puts handlers behind their contract: identity, permission, validation both ways, deadline, and errors of the closed list. */
export function serve<C extends Contract, Context>(options: ServeOptions<C, Context>): CallServer {
  const { contract, tokens } = options
  // Index 1: the input is looked at after the one middleware, so that who may not call learns nothing about what a call takes.
  const implementer = implement(contract.calls, {
    initialInputValidationIndex: 1,
  }).$context<RequestContext>() as Record<string, any>
  const procedures = new Map<string, any>()

  for (const [key, declared] of Object.entries(contract.calls)) {
    const meta = metaOf(declared)
    const handler = options.handlers[key] as (context: Context, input: unknown) => Promise<unknown>
    const name = `${contract.name}.${key}`
    const step = implementer[key] as Implementer<any, RequestContext, RequestContext> & { use: any }
    const guarded = step.use(
      async ({ context, next }: { context: RequestContext; next: (o: object) => Promise<unknown> }) => {
        const identity = tokens.verify(context.headers.token, contract.name)
        context.identity = identity
        authorize(identity, meta, contract, name)
        const cancel = new AbortController()
        const deadline = performance.now() + context.headers.budget
        const unit = options.open({
          name,
          identity,
          deadline,
          requestId: context.headers.requestId,
          signal: cancel.signal,
        })
        try {
          return await within(context.headers.budget, context.gone, next({ context: { unit: unit.context } }))
        } finally {
          cancel.abort(over)
          unit.close()
        }
      },
    )
    procedures.set(
      key,
      guarded.handler(({ context, input }: { context: { unit: Context }; input: unknown }) =>
        handler(context.unit, input),
      ),
    )
  }

  return {
    contract,
    async handle(key, input, headers, gone) {
      const procedure = procedures.get(key)
      // Before anything is traced or measured: callers must not invent names of spans and series.
      if (!procedure) throw new Problem('NOT_FOUND', 'CALL_NOT_FOUND', `${contract.name} has no call '${key}'.`)
      const name = `${contract.name}.${key}`
      const context: RequestContext = { headers, gone, identity: undefined }
      const tenantOf = () => context.identity?.tenant ?? null

      async function work(): Promise<unknown> {
        try {
          if (!(headers.budget > 0)) throw deadlineExceeded()
          return plainCopy(await callProcedure(procedure, plainCopy(input) as never, { context }))
        } catch (error) {
          const problem = toProblem(error, metaOf(contract.calls[key]!))
          const { code, cause } = problem
          if (code === 'INTERNAL' || cause !== undefined)
            options.onUnexpected(cause ?? problem, { name, requestId: headers.requestId, tenant: tenantOf(), code })
          throw problem
        }
      }

      const began = performance.now()
      const attributes = { 'rpc.system.name': 'offshoot', 'rpc.method': name, domain: contract.name }
      let problem: Problem | undefined
      try {
        return await inSpan('rpc.call', name, { attributes }, (span) =>
          work().finally(() => {
            const tenant = tenantOf()
            if (tenant) span.setAttribute('tenant.id', tenant)
          }),
        )
      } catch (error) {
        problem = error as Problem
        throw asTravelled(problem)
      } finally {
        const plan = context.identity?.plan
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

/** Why a call's signal is aborted in the end. Made once: without a reason every call would make a DOMException, with its stack. */
const over = new Error('The call is over.')

/** Waits for `work` until the budget is used up, or the caller gone. */
async function within<T>(budget: number, gone: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  let giveUp = () => {}
  const waitedEnough = new Promise<never>((_, reject) => {
    giveUp = () => reject(deadlineExceeded())
  })
  const timer = setTimeout(giveUp, Math.max(0, budget))
  if (gone?.aborted) giveUp()
  gone?.addEventListener('abort', giveUp)
  try {
    return await Promise.race([work, waitedEnough])
  } finally {
    clearTimeout(timer)
    gone?.removeEventListener('abort', giveUp)
    work.catch(() => {}) // abandoned work may still fail; its caller has its answer already
  }
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
  if (error instanceof ORPCError && error.code === 'BAD_REQUEST' && error.cause instanceof ValidationError) {
    const issues = error.cause.issues.slice(0, mostIssues).map((issue) => ({
      path: (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
      message: issue.message,
    }))
    const first = issues[0]
    return badInput(
      'INVALID_INPUT',
      first ? `${first.path || 'The input'}: ${first.message}` : 'The input is not valid.',
      { issues },
    )
  }
  if (error instanceof ORPCError && error.cause instanceof ValidationError) {
    const issues = error.cause.issues.slice(0, mostIssues).map((issue) => `${issue.path?.join('.')}: ${issue.message}`)
    return internal(new Error(`The answer does not fit the contract: ${issues.join('; ')}`))
  }
  return internal(error)
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
