import { endSpan, record, recordedSpan, type Span, startSpan, telemetryOn, within } from '@offshoot/telemetry'
import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isObjectType,
} from 'graphql'
import { publicError } from './errors.ts'

type SpanContext = ReturnType<Span['spanContext']>
type Resolve = NonNullable<GraphQLField<unknown, object>['resolve']>

/**
 * Spans for the fields that do work, and durations for those of Query and Mutation. Done once, over the whole schema: fields that are known to read a value stay as
 * they are, and all of them where telemetry is off.
 */
export function traceFields(schema: GraphQLSchema): void {
  if (!telemetryOn()) return
  const roots = [schema.getQueryType(), schema.getMutationType()]
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue
    for (const field of Object.values(type.getFields())) {
      const { resolve, extensions } = field
      if (!resolve || resolve === defaultFieldResolver || 'pothosExposedField' in extensions) continue
      const name = `${type.name}.${field.name}`
      field.resolve = traced(name, roots.includes(type) ? measured(name, resolve) : resolve)
    }
  }
}

/** As many fields of one name that wait are looked at in one operation: the hundredth of a list says what the fifth does. */
const mostAlike = 5
/** By operation and by name, how many fields waited. */
const waited = new WeakMap<object, Map<string, number>>()

function waitedIn(operation: object): Map<string, number> {
  let counts = waited.get(operation)
  if (!counts) {
    counts = new Map()
    waited.set(operation, counts)
  }
  return counts
}

/** A field that has only read a value this often is taken for one that never waits, and is let alone until it does. */
const enough = 100

function traced(name: string, resolve: Resolve): Resolve {
  let reads = 0
  return (parent, args, context, info) => {
    if (reads >= enough) {
      const result = resolve(parent, args, context, info)
      if (!isOutstanding(result)) return result
      reads = Number.NEGATIVE_INFINITY
      const outer = recordedSpan()
      return outer ? new FieldSpan(outer, name, waitedIn(context), info).around(() => result) : result
    }
    const outer = recordedSpan()
    if (!outer) return resolve(parent, args, context, info)
    const counts = waitedIn(context)
    if ((counts.get(name) ?? 0) >= mostAlike) return resolve(parent, args, context, info)
    const span = new FieldSpan(outer, name, counts, info)
    const result = span.around(() => resolve(parent, args, context, info))
    if (span.needed) reads = Number.NEGATIVE_INFINITY
    else reads++
    return result
  }
}

function measured(name: string, resolve: Resolve): Resolve {
  return (parent, args, context, info) => {
    const began = performance.now()
    const done = (code?: string) =>
      record('graphql.server.field.duration', (performance.now() - began) / 1000, {
        'graphql.field.name': name,
        ...(code && { 'error.type': code }),
      })
    const failed = (error: unknown): never => {
      done(codeOf(error))
      throw error
    }
    try {
      const result = resolve(parent, args, context, info)
      if (isPromise(result))
        return result.then((value) => {
          done()
          return value
        }, failed)
      done()
      return result
    } catch (error) {
      return failed(error)
    }
  }
}

const codeOf = (error: unknown) => publicError(error, { hints: false }).extensions.code as string
const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof (value as Promise<unknown> | null | undefined)?.then === 'function'
const isOutstanding = (value: unknown) => isPromise(value) || (Array.isArray(value) && value.some(isPromise))

/**
 * A field's span before it is known whether the field needs one. It begins when something begins within it, when the answer of the first field of its name is still to come, and
 * when an awaited answer turns out to be an error. A field that only reads a value has none, and neither has one that only waits for what another has asked for: of a list
 * whose items are read together, the field that reads them has a span, with the reading in it.
 */
class FieldSpan implements Span {
  readonly #outer: Span
  readonly #name: string
  readonly #waited: Map<string, number>
  readonly #info: GraphQLResolveInfo
  readonly #entered = Date.now()
  #begun: Span | undefined
  /** Whether it waited for something, or something was a part of it. */
  needed = false

  constructor(outer: Span, name: string, waited: Map<string, number>, info: GraphQLResolveInfo) {
    this.#outer = outer
    this.#name = name
    this.#waited = waited
    this.#info = info
  }

  around(work: () => unknown): unknown {
    let result: unknown
    try {
      result = within(this, work)
    } catch (error) {
      this.#settle(error)
      throw error
    }
    if (isPromise(result)) {
      this.#wait()
      return result.then(
        (value) => {
          this.#settle()
          return value
        },
        (error) => {
          this.#settle(error)
          throw error
        },
      )
    }
    if (isOutstanding(result)) {
      this.#wait()
      Promise.allSettled(result as unknown[]).then(() => this.#settle())
    } else this.#settle()
    return result
  }

  #need(): void {
    if (this.needed) return
    this.needed = true
    this.#waited.set(this.#name, (this.#waited.get(this.#name) ?? 0) + 1)
  }

  #wait(): void {
    this.#need()
    if (this.#waited.get(this.#name) === 1) this.#span()
  }

  #span(): Span {
    this.#need()
    this.#begun ??= this.#begin()
    return this.#begun
  }

  /** What begins after that is a part of the outer span. */
  #settle(error?: unknown): void {
    if (error !== undefined && this.needed) this.#begun ??= this.#begin(this.#entered)
    if (this.#begun) endSpan(this.#begun, error)
    else this.#begun = this.#outer
  }

  #begin(startTime?: number): Span {
    const attributes = { 'graphql.field.name': this.#name, 'graphql.field.path': pathOf(this.#info) }
    return within(this.#outer, () => startSpan('graphql.field', `resolve ${this.#name}`, { attributes, startTime }))
  }

  spanContext(): SpanContext {
    return this.#span().spanContext()
  }
  isRecording(): boolean {
    return true
  }
  setAttribute(...args: Parameters<Span['setAttribute']>): this {
    this.#span().setAttribute(...args)
    return this
  }
  setAttributes(...args: Parameters<Span['setAttributes']>): this {
    this.#span().setAttributes(...args)
    return this
  }
  addEvent(...args: Parameters<Span['addEvent']>): this {
    this.#span().addEvent(...args)
    return this
  }
  addLink(...args: Parameters<Span['addLink']>): this {
    this.#span().addLink(...args)
    return this
  }
  addLinks(...args: Parameters<Span['addLinks']>): this {
    this.#span().addLinks(...args)
    return this
  }
  setStatus(...args: Parameters<Span['setStatus']>): this {
    this.#span().setStatus(...args)
    return this
  }
  updateName(...args: Parameters<Span['updateName']>): this {
    this.#span().updateName(...args)
    return this
  }
  recordException(...args: Parameters<Span['recordException']>): void {
    this.#span().recordException(...args)
  }
  /** Its field ends it. */
  end(): void {}
}

/** `orders.nodes.0.customer` */
function pathOf({ path }: GraphQLResolveInfo): string {
  const keys: (string | number)[] = []
  for (let at: typeof path | undefined = path; at; at = at.prev) keys.unshift(at.key)
  return keys.join('.')
}
