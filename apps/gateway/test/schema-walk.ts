/**
 * Makes operations from a schema alone, so that what is added to the schema is in the tests that walk it, without anyone remembering.
 */
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
} from 'graphql'

export interface Operation {
  /** What it is about, for whoever reads a failure: `Mutation.updateProduct(input.id)`. */
  name: string
  document: string
  variables: Record<string, unknown>
}

/** An operation with places for ids: `fill(id)` puts it in each of them, one place after the other and all at once. */
export interface IdOperation {
  name: string
  fill(id: string, otherIds: readonly string[]): Operation[]
}

type Field = GraphQLField<unknown, unknown>

/** Every field of the schema that takes an id, at whatever depth of its arguments, reached from the root and asked for all that it gives. */
export function idOperations(schema: GraphQLSchema, depth: number): IdOperation[] {
  return reachableFields(schema).flatMap(({ type, field, wrap }) => {
    const places = idPlaces(field.args)
    if (places.length === 0) return []
    const name = `${type.name}.${field.name}`
    const document = wrap(call(field, depth))
    const operation = (title: string, idAt: (place: string) => string, optional: boolean): Operation => ({
      name: `${name}(${title})${optional ? ' with all options' : ''}`,
      document,
      variables: Object.fromEntries(
        field.args.flatMap((arg) => {
          const value = sample(arg, { idAt, optional, place: arg.name })
          return value === undefined ? [] : [[arg.name, value]]
        }),
      ),
    })
    return {
      name,
      fill: (id, otherIds) =>
        (hasOptions(field.args) ? [false, true] : [false]).flatMap((optional) => [
          operation(places.join(', '), () => id, optional),
          ...(places.length > 1 ? places : []).flatMap((place) =>
            otherIds.map((other) => operation(place, (at) => (at === place ? id : other), optional)),
          ),
        ]),
    }
  })
}

/** Every root field that takes no id, with everything that can be asked of it. */
export function plainOperations(schema: GraphQLSchema, kind: 'query' | 'mutation', depth: number): Operation[] {
  return reachableFields(schema)
    .filter(({ type, field }) => type === rootType(schema, kind) && idPlaces(field.args).length === 0)
    .map(({ type, field, wrap }) => ({
      name: `${type.name}.${field.name}`,
      document: wrap(call(field, depth)),
      variables: Object.fromEntries(
        field.args.flatMap((arg) => {
          const value = sample(arg, { idAt: () => '', optional: kind === 'mutation', place: arg.name })
          return value === undefined ? [] : [[arg.name, value]]
        }),
      ),
    }))
}

/** A query of random root fields with random selections; `values` gives what to put into an argument, undefined for nothing. */
export function randomQuery(
  schema: GraphQLSchema,
  random: () => number,
  depth: number,
  values: (arg: GraphQLArgument) => unknown,
): string {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!
  const select = (type: GraphQLOutputType, left: number): string => {
    const named = getNamedType(type)
    if (!isObjectType(named)) return ''
    const fields = Object.values(named.getFields()).filter(
      ({ type, args }) => (left > 1 || isLeafType(getNamedType(type))) && !args.some(isRequiredArgument),
    )
    const chosen = fields.filter(() => random() < 0.6)
    return ` { __typename ${chosen.map((field) => field.name + literals(field) + select(field.type, left - 1)).join(' ')} }`
  }
  const literals = ({ args }: Field) => {
    const given = args.flatMap((arg) => {
      const value = values(arg)
      return value === undefined
        ? []
        : [`${arg.name}: ${isEnumType(getNamedType(arg.type)) ? value : JSON.stringify(value)}`]
    })
    return given.length > 0 ? `(${given.join(', ')})` : ''
  }
  const roots = Object.values(schema.getQueryType()!.getFields())
  const asked = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => {
    const field = pick(roots)
    return `f${i}: ${field.name}${literals(field)}${select(field.type, depth)}`
  })
  return `{ ${asked.join(' ')} }`
}

const rootType = (schema: GraphQLSchema, kind: 'query' | 'mutation') =>
  kind === 'query' ? schema.getQueryType() : schema.getMutationType()

/** All fields of all object types that can be reached through fields that need no arguments, each with the way to it. */
function reachableFields(schema: GraphQLSchema) {
  const found: { type: GraphQLObjectType; field: Field; wrap: (selection: string) => string }[] = []
  const seen = new Set<GraphQLObjectType>()
  const queue: { type: GraphQLObjectType; kind: string; path: string[] }[] = []
  for (const kind of ['query', 'mutation'] as const) {
    const type = rootType(schema, kind)
    if (type) queue.push({ type, kind, path: [] })
  }
  for (const { type, kind, path } of queue) {
    if (seen.has(type)) continue
    seen.add(type)
    for (const field of Object.values(type.getFields())) {
      const declared = field.args.map(({ name, type }) => `$${name}: ${type}`).join(', ')
      const wrap = (selection: string) =>
        `${kind}${declared && ` (${declared})`} { ${path.map((step) => `${step} { `).join('')}${selection}${' }'.repeat(path.length)} }`
      found.push({ type, field, wrap })
      const next = getNamedType(field.type)
      if (isObjectType(next) && kind === 'query' && !field.args.some(isRequiredArgument))
        queue.push({ type: next, kind, path: [...path, field.name] })
    }
  }
  return found
}

function call(field: Field, depth: number): string {
  const args = field.args.map(({ name }) => `${name}: $${name}`).join(', ')
  return `${field.name}${args && `(${args})`}${everything(field.type, depth)}`
}

/** A selection of all that a type has, `depth` levels down. */
function everything(type: GraphQLOutputType, depth: number): string {
  const named = getNamedType(type)
  if (!isObjectType(named)) return ''
  const fields = Object.values(named.getFields()).filter(
    ({ type, args }) => (depth > 1 || isLeafType(getNamedType(type))) && !args.some(isRequiredArgument),
  )
  return ` { __typename ${fields.map((field) => field.name + everything(field.type, depth - 1)).join(' ')} }`
}

function idPlaces(args: readonly (GraphQLArgument | GraphQLInputField)[], path = '', seen: string[] = []): string[] {
  return args.flatMap(({ name, type }) => {
    const named = getNamedType(type)
    if (named.name === 'ID') return [path + name]
    if (!isInputObjectType(named) || seen.includes(named.name)) return []
    return idPlaces(Object.values(named.getFields()), `${path}${name}.`, [...seen, named.name])
  })
}

/** Whether anything besides ids may be left out. */
function hasOptions(args: readonly (GraphQLArgument | GraphQLInputField)[]): boolean {
  return args.some(({ type }) => {
    const named = getNamedType(type)
    return isInputObjectType(named)
      ? hasOptions(Object.values(named.getFields()))
      : named.name !== 'ID' && !isNonNullType(type)
  })
}

interface Sampling {
  idAt(place: string): string
  /** Whether to give what may be left out too. */
  optional: boolean
  place: string
}

/** A value that is acceptable as far as the schema tells; undefined to leave it out. */
function sample({ name, type }: { name: string; type: GraphQLInputType }, sampling: Sampling): unknown {
  const takesId = getNamedType(type).name === 'ID'
  const holdsId = isInputObjectType(getNamedType(type))
  if (!isNonNullType(type) && !takesId && !holdsId && !sampling.optional) return undefined
  if (name === 'after') return undefined
  return sampleOf(type, name, sampling)
}

function sampleOf(type: GraphQLInputType, name: string, sampling: Sampling): unknown {
  if (isNonNullType(type)) return sampleOf(type.ofType, name, sampling)
  if (isListType(type)) return [sampleOf(type.ofType, name, sampling)]
  if (isEnumType(type)) return type.getValues()[0]!.name
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).flatMap((field) => {
      const value = sample(field, { ...sampling, place: `${sampling.place}.${field.name}` })
      return value === undefined ? [] : [[field.name, value]]
    })
    return Object.fromEntries(fields)
  }
  if (type.name === 'ID') return sampling.idAt(sampling.place)
  return byName[name] ?? byType[type.name]
}

const byName: Record<string, unknown> = {
  email: 'fuzz@fuzz.test',
  currency: 'EUR',
  scopes: 'organization:read',
  search: '',
}
const byType: Record<string, unknown> = {
  String: 'fuzz',
  Int: 1,
  Float: 1,
  Boolean: true,
  Decimal: '1.00',
  DateTime: '2099-01-01T00:00:00.000Z',
  Date: '2026-02-14',
}
