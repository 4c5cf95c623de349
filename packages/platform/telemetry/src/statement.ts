import type { AttributesOf } from './registry.ts'

/** What a statement does to what, as far as its text tells. */
export interface StatementDescription {
  /** `SELECT`; `_OTHER` for what no statement of ours begins with. */
  operation: string
  /** `SELECT orders`: with the first table that it names, without its schema; or else the first function that it calls: `SELECT emit`. */
  summary: string
  /** What a span tells of it. */
  attributes: AttributesOf<'db.statement'>
}

const operations =
  /^[\s(]*(select|insert|update|delete|merge|with|values|table|begin|commit|rollback|savepoint|release|set)\b/i
/** What stands after FROM or JOIN may be a function. */
const table = /\b(?:into|update|(?:from|join)(?!\s+[\w".]+\())\s+(?:only\s+)?(?:"?\w+"?\.)?"?(\w+)\b(?!"?\.)/i
const called = /\b(\w+)"?\s*\(/

/** Of a statement's text, in characters: one with a list of a thousand placeholders says no more after that. */
const longestText = 2_000

/** Descriptions are kept for this many texts, which come again and again. */
const mostKept = 1_000
const kept = new Map<string, StatementDescription>()

/** Describes a statement by its text. */
export function describeStatement(text: string): StatementDescription {
  let description = kept.get(text)
  if (!description) {
    description = describe(text)
    if (kept.size < mostKept) kept.set(text, description)
  }
  return description
}

function describe(text: string): StatementDescription {
  const operation = operations.exec(text)?.[1]?.toUpperCase() ?? '_OTHER'
  const collection = table.exec(text)?.[1]
  const target = collection ?? called.exec(text)?.[1]
  const summary = target ? `${operation} ${target}` : operation
  const attributes = {
    'db.operation.name': operation,
    ...(collection && { 'db.collection.name': collection }),
    'db.query.summary': summary,
    'db.query.text': text.slice(0, longestText),
  }
  return { operation, summary, attributes }
}
