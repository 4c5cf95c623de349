/** Text as searches compare it: whatever the case, and however an accent was typed (Unicode NFC). */
export function folded(text: string): string {
  return text.normalize('NFC').toLowerCase().normalize('NFC')
}

/** What a product is found by. Kept in a column, since PostgreSQL's own `lower` depends on the database's locale. */
export function searchable(name: string, sku: string): string {
  return folded(`${name}\n${sku}`)
}
