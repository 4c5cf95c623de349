import type { Entity, Money, Role } from '@offshoot/rpc'
import SchemaBuilder, { type ArgBuilder, type InputRef, type ObjectRef } from '@pothos/core'
import DataloaderPlugin, { type ImplementableLoadableObjectRef } from '@pothos/plugin-dataloader'
import { type GraphQLSchema, isNonNullType, lexicographicSortSchema, printSchema } from 'graphql'
import { connectionRef, type Page, pageInfoRef } from './connection.ts'
import type { GraphQLContext } from './context.ts'
import { entityRef } from './entity.ts'
import { decimalOf } from './money.ts'
import { DateTime, Day, Decimal } from './scalars.ts'
import { traceFields } from './traced-fields.ts'

type Types = PothosSchemaTypes.ExtendDefaultTypes<{
  Context: GraphQLContext
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    Date: { Input: string; Output: string }
    DateTime: { Input: string; Output: string }
    Decimal: { Input: string; Output: string }
  }
}>

export type Builder = PothosSchemaTypes.SchemaBuilder<Types>
/** `t` of a field of any type. */
export type FieldBuilder = { arg: ArgBuilder<Types> }
export type Ref<Value> = ObjectRef<Types, Value, Value>
/** A resolver that answers with an entity may answer with its id. */
export type EntityRef<Value> = ImplementableLoadableObjectRef<Types, string | Value, Value, string, string>

/** What a domain's part of the schema is made with. Parts share types: `entity` and `connection` give the same type whoever asks. */
export interface SchemaTools {
  builder: Builder
  /** The type of an entity, of this domain or another. Its owner implements it: `entity(ProductEntity).implement(…)`. */
  entity<Value>(entity: Entity<string, Value>): EntityRef<Value>
  /** The connection type of a list. */
  connection<Item extends { id: string }>(node: ObjectRef<Types, any, Item>): Ref<Page<Item>>
  Money: Ref<Money>
  MoneyInput: InputRef<{ amount: string; currency: string }>
  Role: ReturnType<typeof roleEnum>
}

/** A domain's part of the public schema. Fields are not null unless they say so; root fields and fields that cross domains must say so. */
export type SchemaPart = (tools: SchemaTools) => void

/** Merges the domains' parts into the one public schema. Fails when a root field is not nullable: it would take the whole answer with it. */
export function buildSchema(parts: readonly SchemaPart[]): GraphQLSchema {
  const builder: Builder = new SchemaBuilder<Types>({
    plugins: [DataloaderPlugin],
    defaultFieldNullability: false,
  }) as never
  builder.queryType({})
  builder.mutationType({})
  builder.addScalarType('Date', Day)
  builder.addScalarType('DateTime', DateTime)
  builder.addScalarType('Decimal', Decimal)

  const entities = new Map<string, unknown>()
  const connections = new Map<string, unknown>()
  const pageInfo = pageInfoRef(builder)
  const tools: SchemaTools = {
    builder,
    entity: (entity) => remember(entities, entity.name, () => entityRef(builder, entity)),
    connection: (node) =>
      remember(connections, node.name, () => connectionRef(builder, node as never, pageInfo)) as never,
    Money: moneyRef(builder),
    MoneyInput: builder.inputType('MoneyInput', {
      fields: (t) => ({
        amount: t.field({ type: 'Decimal', required: true }),
        currency: t.string({ required: true, description: 'ISO 4217, such as "EUR".' }),
      }),
    }) as never,
    Role: roleEnum(builder),
  }
  for (const part of parts) part(tools)

  const schema = builder.toSchema({})
  for (const root of [schema.getQueryType(), schema.getMutationType()]) {
    for (const field of Object.values(root?.getFields() ?? {})) {
      if (isNonNullType(field.type))
        throw new Error(
          `${root!.name}.${field.name} must be nullable: when its domain fails it would take the whole answer with it.`,
        )
    }
  }
  traceFields(schema)
  return schema
}

/** The schema as text, its types sorted, so that equal schemas are equal texts. */
export function printPublicSchema(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`
}

function remember<T>(known: Map<string, unknown>, name: string, make: () => T): T {
  if (!known.has(name)) known.set(name, make())
  return known.get(name) as T
}

function moneyRef(builder: Builder): Ref<Money> {
  return builder.objectRef<Money>('Money').implement({
    fields: (t) => ({
      amount: t.field({ type: 'Decimal', resolve: decimalOf }),
      currency: t.exposeString('currency', { description: 'ISO 4217.' }),
    }),
  })
}

function roleEnum(builder: Builder) {
  return builder.enumType('Role', {
    description: 'What a member may be in an organization.',
    values: { OWNER: { value: 'owner' }, ADMIN: { value: 'admin' }, MEMBER: { value: 'member' } } as {
      [K in Uppercase<Role>]: { value: Lowercase<K> }
    },
  })
}
