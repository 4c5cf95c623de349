import type { z } from 'zod'

/** Brings the data of an event's older version one version further. */
export type Upcaster = (data: any) => unknown

export interface EventOptions<Schema extends z.ZodType> {
  /** Of the schema, from 1. A change that an older reader or writer could not live with makes a new version and needs an upcaster. */
  version: number
  /** What the event is about: events of one aggregate are handled in their order, those of different ones in any. */
  aggregate: string
  /** The id of that aggregate. */
  key: (data: z.output<Schema>) => string
  data: Schema
  /** By the version that it starts from: `{ 1: (old) => ({ ...old, currency: 'EUR' }) }`. */
  upcast?: Record<number, Upcaster>
}

/** An event that happened, about to be written to the outbox. */
export interface Emission {
  type: string
  version: number
  /** `order/0198…` */
  aggregate: string
  data: unknown
}

/** A kind of event, declared in the contract of the domain that emits it. */
export interface EventType<Data = any> {
  /** `orders.OrderPlaced`; CloudEvents' `type`. */
  readonly name: string
  /** The domain that emits it. */
  readonly source: string
  readonly version: number
  readonly aggregate: string
  readonly schema: z.ZodType<Data>
  /** Checks the data. Throws when they don't fit: that is a bug of the emitter. */
  prepare(data: Data): Emission
  /** The data of an event of this or an older version. Throws for data that don't fit, and for a newer version, which this process can't know. */
  read(version: number, data: unknown): Data
}

/** Declares a kind of event. `name` is the domain's name, a point, and what happened, in the past tense: `orders.OrderPlaced`. */
export function defineEvent<Schema extends z.ZodType>(
  name: string,
  options: EventOptions<Schema>,
): EventType<z.output<Schema>> {
  const { version, aggregate, key, data: schema, upcast = {} } = options
  const [source, what] = name.split('.')
  if (!source || !what) throw new Error(`'${name}' is no name of an event: write domain.WhatHappened.`)
  for (let old = 1; old < version; old++)
    if (!upcast[old]) throw new Error(`${name} is at version ${version} and has no upcaster from version ${old}.`)

  return {
    name,
    source,
    version,
    aggregate,
    schema: schema as z.ZodType<z.output<Schema>>,
    prepare(data) {
      const parsed = schema.safeParse(data)
      if (!parsed.success) throw new Error(`The data of ${name} do not fit its schema: ${issuesOf(parsed.error)}`)
      return { type: name, version, aggregate: `${aggregate}/${key(parsed.data)}`, data: parsed.data }
    },
    read(from, data) {
      if (from > version)
        throw new Error(
          `${name} came in version ${from}; this process knows it up to version ${version}. Deploy the newer one, then replay.`,
        )
      let current = data
      for (let at = from; at < version; at++) current = upcast[at]!(current)
      const parsed = schema.safeParse(current)
      if (!parsed.success)
        throw new Error(`${name} of version ${from} does not fit version ${version}: ${issuesOf(parsed.error)}`)
      return parsed.data
    },
  }
}

/** Which fields, and why; not their values, which may be personal. */
function issuesOf({ issues }: z.ZodError): string {
  return issues.map(({ path, code }) => `${path.join('.') || 'it'} (${code})`).join(', ')
}
