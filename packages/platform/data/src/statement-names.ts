/** Statements with at most this many different texts are prepared once per connection; the rest are planned each time. Bounds memory on both sides. */
const mostNames = 500
const names = new Map<string, string>()

/** A name for a statement that is worth preparing: the same for the same text, whoever the tenant is. */
export function nameStatement({ sql }: { sql: string }): string {
  let name = names.get(sql)
  if (name === undefined && names.size < mostNames) {
    name = `s${names.size}`
    names.set(sql, name)
  }
  return name as string // `undefined` leaves a statement unnamed; the adapter passes it on as it is
}
