import { type ContractProcedure, oc } from '@orpc/contract'
import { z } from 'zod'
import { type ProblemCode, problemCodes } from './problem.ts'
import type { Role } from './values.ts'

/** Who may do what: an action (`product:write`) and the roles that have it. The table of all contracts together is the product's permission table. */
export type Actions = Record<string, readonly Role[]>

/**
 * What a call needs to be served.
 * - `tenant`: the caller acts in a tenant, and the call sees that tenant only (the usual).
 * - `user`: the caller is a signed-in user; no tenant is needed, for example to create one.
 * - `operator`: the caller is one of the product's own staff, signed in; the call may see every tenant, and is none's.
 * - `edge`: only the gateway itself may call, before it knows who is asking; nobody can reach it through the public API.
 */
export type Audience = 'tenant' | 'user' | 'operator' | 'edge'

interface CallOptions<Input extends z.ZodType, Output extends z.ZodType> {
  input: Input
  output: Output
  /** The action that the caller's role (and, for an API key, its scopes) must allow. Required for calls in a tenant. */
  action?: string
  audience?: Audience
  /** The failures to expect, by reason. A problem with any other reason is a bug and reaches the caller as INTERNAL. */
  reasons?: Record<
    string,
    Extract<ProblemCode, 'FORBIDDEN' | 'NOT_FOUND' | 'BAD_USER_INPUT' | 'CONFLICT' | 'RATE_LIMITED'>
  >
}

export interface CallMeta {
  /** A query changes nothing, so that it may be sent again; a command may change something. */
  kind: 'query' | 'command'
  audience: Audience
  action: string | undefined
  reasons: Record<string, ProblemCode>
  input: () => z.ZodType
  output: () => z.ZodType
}

/** The schema as one function, which parses several times faster. Made when it is first asked for: of all the calls there are, a process sees few. */
export function compiledLater<Schema extends z.ZodType>(schema: Schema): () => Schema {
  let compiled: Schema | undefined
  return () => (compiled ??= z.compile(schema))
}

const problemShape = z.object({ reason: z.string(), data: z.record(z.string(), z.unknown()).optional() })
const errors = Object.fromEntries(problemCodes.map((code) => [code, { data: problemShape }])) as Record<
  ProblemCode,
  { data: typeof problemShape }
>

export type Procedure<Input extends z.ZodType, Output extends z.ZodType> = ContractProcedure<
  Input,
  Output,
  typeof errors,
  Record<string, unknown>
>

function procedure<Input extends z.ZodType, Output extends z.ZodType>(
  kind: CallMeta['kind'],
  options: CallOptions<Input, Output>,
) {
  const meta: CallMeta = {
    kind,
    audience: options.audience ?? 'tenant',
    action: options.action,
    reasons: options.reasons ?? {},
    input: compiledLater(options.input),
    output: compiledLater(options.output),
  }
  return oc.errors(errors).meta({ call: meta }).input(options.input).output(options.output) as Procedure<Input, Output>
}

/** Declares a call that only reads. Reads that GraphQL uses are plural: `getMany({ ids })` answers in the order of the ids, null for the missing. */
export function query<Input extends z.ZodType, Output extends z.ZodType>(options: CallOptions<Input, Output>) {
  return procedure('query', options)
}

/** Declares a call that changes something. */
export function command<Input extends z.ZodType, Output extends z.ZodType>(options: CallOptions<Input, Output>) {
  return procedure('command', options)
}

/** The meta data that `query` and `command` attached to a call. */
export function metaOf(procedure: Procedure<z.ZodType, z.ZodType>): CallMeta {
  return procedure['~orpc'].meta.call as CallMeta
}

/** The actions of these contracts together. */
export const actionsOf = (contracts: readonly { readonly actions: Actions }[]): Actions =>
  Object.assign({}, ...contracts.map(({ actions }) => actions))

export type Calls = Record<string, Procedure<any, any>>

export interface Contract<Name extends string = string, C extends Calls = Calls> {
  readonly name: Name
  readonly actions: Actions
  readonly calls: C
}

/**
 * A domain's contract: the only file of it that others import, and the only way in. Fails at load when a call in a tenant names no
 * action, or one that the contract does not list.
 */
export function defineContract<const Name extends string, C extends Calls>(
  name: Name,
  definition: { actions: Actions; calls: C },
): Contract<Name, C> {
  for (const [call, procedure] of Object.entries(definition.calls)) {
    const { action, audience } = metaOf(procedure)
    if (audience === 'tenant' && !action)
      throw new Error(`${name}.${call} must name its action: it is called in a tenant.`)
    if (action && !definition.actions[action])
      throw new Error(`${name}.${call} needs the action '${action}', which ${name} does not list.`)
  }
  return { name, ...definition }
}

export type InputOf<P> = P extends Procedure<infer Input, any> ? z.infer<Input> : never
export type OutputOf<P> = P extends Procedure<any, infer Output> ? z.infer<Output> : never

/** What a caller passes and what it gets. */
export type Client<C extends Contract> = {
  [K in keyof C['calls']]: C['calls'][K] extends Procedure<infer Input, infer Output>
    ? (input: z.input<Input>) => Promise<z.output<Output>>
    : never
}

/** The functions that serve a contract: plain functions of a context and the validated input. */
export type Handlers<C extends Contract, Context> = {
  [K in keyof C['calls']]: C['calls'][K] extends Procedure<infer Input, infer Output>
    ? (context: Context, input: z.output<Input>) => Promise<z.input<Output>>
    : never
}

/**
 * A GraphQL entity: a thing of one domain that others refer to by its id. Declared in the owner's contract; `load` is the plural
 * read that resolves references in batches.
 */
export interface Entity<Name extends string = string, Value = unknown> {
  readonly name: Name
  readonly contract: Contract
  readonly load: string
  /** Only a type: what `load` gives for one id. */
  readonly '~value'?: Value
}

export function defineEntity<
  const Name extends string,
  C extends Contract,
  const Load extends keyof C['calls'] & string,
>(name: Name, contract: C, load: Load): Entity<Name, NonNullable<OutputOf<C['calls'][Load]>[number]>> {
  return { name, contract, load }
}
