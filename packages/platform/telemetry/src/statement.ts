/** What a statement does to what, as far as its text tells. */
export interface StatementDescription {
  /** `SELECT`; `_OTHER` for what no statement of ours begins with. */
  operation: string
  /** The first table that it names, without its schema. */
  collection: string | undefined
  /** `SELECT orders` */
  summary: string
}

const operations =
  /^[\s(]*(select|insert|update|delete|merge|with|values|table|begin|commit|rollback|savepoint|release|set)\b/i
const target = /\b(?:from|into|update|join)\s+(?:only\s+)?(?:"?(\w+)"?\.)?"?(\w+)"?(?!\s*\()/i

/** Descriptions are kept for this many texts, which come again and again. */
const mostKept = 1_000
const kept = new Map<string, StatementDescription>()

/** Describes a statement by its text: the semantic conventions' `db.operation.name`, `db.collection.name` and `db.query.summary`. */
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
  const collection = target.exec(text)?.[2]
  return { operation, collection, summary: collection ? `${operation} ${collection}` : operation }
}
