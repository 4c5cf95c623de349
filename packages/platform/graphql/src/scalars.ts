import { GraphQLError, GraphQLScalarType, Kind } from 'graphql'

const timestamp = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

/** RFC 3339; what comes in may have any offset, what goes out is UTC with milliseconds. Contracts carry the latter as text. */
export const DateTime = new GraphQLScalarType<string, string>({
  name: 'DateTime',
  description: 'A point in time as RFC 3339 text, such as "2026-01-31T09:30:00.000Z".',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => value as string,
  parseValue: parseTimestamp,
  parseLiteral: (node) => parseTimestamp(node.kind === Kind.STRING ? node.value : undefined),
})

function parseTimestamp(value: unknown): string {
  const date = typeof value === 'string' && timestamp.test(value) ? new Date(value) : undefined
  if (!date || Number.isNaN(date.getTime()))
    throw new GraphQLError('A DateTime is RFC 3339 text, such as "2026-01-31T09:30:00Z".')
  return date.toISOString()
}

const decimal = /^-?\d{1,18}(\.\d{1,18})?$/

/** Exact: text on the way out, and on the way in text, an integer, or a literal as it was written. */
export const Decimal = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description: 'An exact decimal number as text, such as "12.50".',
  serialize: (value) => value as string,
  parseValue: (value) => parseDecimal(typeof value === 'number' ? String(value) : value),
  parseLiteral: (node) =>
    parseDecimal(
      node.kind === Kind.STRING || node.kind === Kind.INT || node.kind === Kind.FLOAT ? node.value : undefined,
    ),
})

function parseDecimal(value: unknown): string {
  if (typeof value !== 'string' || !decimal.test(value)) {
    throw new GraphQLError('A Decimal is text of digits with at most one point, such as "12.50".')
  }
  return value
}
