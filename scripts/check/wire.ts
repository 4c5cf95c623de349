/** What a domain's contract looks like on the wire, as data: what other versions of this product, and programs in other languages, rely on. */
import type { Domain } from '@offshoot/host'
import { metaOf } from '@offshoot/rpc'
import { z } from 'zod'

export type Schema = z.core.JSONSchema.JSONSchema

export interface Wire {
  calls: Record<
    string,
    { kind: string; audience: string; action?: string; reasons: Record<string, string>; input: Schema; output: Schema }
  >
  events: Record<string, { version: number; aggregate: string; data: Schema }>
}

export function wireOf({ contract, definition }: Pick<Domain, 'contract' | 'definition'>): Wire {
  const calls = Object.entries(contract.calls).map(([name, procedure]) => {
    const { kind, audience, action, reasons } = metaOf(procedure)
    const { inputSchema, outputSchema } = procedure['~orpc']
    return [name, { kind, audience, action, reasons, input: schemaOf(inputSchema), output: schemaOf(outputSchema) }]
  })
  const events = (definition.emits ?? []).map(({ name, version, aggregate, schema }) => [
    name,
    { version, aggregate, data: schemaOf(schema) },
  ])
  return { calls: Object.fromEntries(calls), events: Object.fromEntries(events) }
}

/** As whoever receives it reads it. Of formats that have a name the pattern is left out. */
function schemaOf(schema: z.ZodType): Schema {
  const { $schema: _, ...written } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override({ jsonSchema }) {
      if (jsonSchema.format) delete jsonSchema.pattern
    },
  })
  return written as Schema
}
