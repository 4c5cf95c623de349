import { GraphQLError, GraphQLScalarType, Kind } from 'graphql'

const timestamp = /^(\d{4}-\d\d-\d\d)[Tt](?!24)\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

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
  const [text, day] = (typeof value === 'string' && timestamp.exec(value)) || []
  // `Date` takes 30 February for 2 March; a day that exists comes back as it was. Outside of the years 0 to 9999 there is no RFC 3339.
  const time = text && iso(`${day}T00:00:00Z`)?.startsWith(day!) ? iso(text.toUpperCase()) : undefined
  if (!time || !/^\d/.test(time)) throw new GraphQLError('A DateTime is RFC 3339 text, such as "2026-01-31T09:30:00Z".')
  return time
}

function iso(text: string): string | undefined {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

const fullDate = /^\d{4}-\d\d-\d\d$/

/** RFC 3339's full-date. */
export const Day = new GraphQLScalarType<string, string>({
  name: 'Date',
  description: 'A day as RFC 3339 text, such as "2026-01-31".',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => value as string,
  parseValue: parseDay,
  parseLiteral: (node) => parseDay(node.kind === Kind.STRING ? node.value : undefined),
})

function parseDay(value: unknown): string {
  if (typeof value !== 'string' || !fullDate.test(value) || !iso(`${value}T00:00:00Z`)?.startsWith(value))
    throw new GraphQLError('A Date is RFC 3339 text, such as "2026-01-31".')
  return value
}

const decimal = /^-?\d{1,18}(\.\d{1,18})?$/

/** Exact: text on the way out, and on the way in text, a number that JSON's readers keep exactly, or a literal as it was written. */
export const Decimal = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description: 'An exact decimal number as text, such as "12.50".',
  serialize: (value) => value as string,
  parseValue: (value) => parseDecimal(typeof value === 'number' && isExact(value) ? String(value) : value),
  parseLiteral: (node) =>
    parseDecimal(
      node.kind === Kind.STRING || node.kind === Kind.INT || node.kind === Kind.FLOAT ? node.value : undefined,
    ),
})

/** A number with more than 15 digits may not be the one that was sent. */
const isExact = (value: number) => String(value).replace(/[-.]/g, '').length <= 15

function parseDecimal(value: unknown): string {
  if (typeof value !== 'string' || !decimal.test(value)) {
    throw new GraphQLError('A Decimal is text of digits with at most one point, such as "12.50".')
  }
  return value
}
