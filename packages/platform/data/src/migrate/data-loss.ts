/** What a migration may lose or may fail at on tables with rows, in the words that Prisma uses. */
import type { Client } from 'pg'

/** A schema's tables, with what of them can be lost. */
export interface Snapshot {
  readonly columns: readonly Column[]
  readonly uniques: readonly { table: string; index: string; columns: string }[]
  readonly enums: readonly { name: string; labels: string[] }[]
}

interface Column {
  readonly table: string
  readonly column: string
  /** Never used again: a column that was dropped and added anew has another one. */
  readonly number: number
  readonly type: string
  readonly required: boolean
  /** Whether existing rows get a value. `app.tid()` gives them none: a migration has no tenant. */
  readonly filled: boolean
}

export async function takeSnapshot(client: Client, schema: string): Promise<Snapshot> {
  const columns = await client.query<Column>(
    `SELECT relname AS table, attname AS column, attnum AS number, format_type(atttypid, atttypmod) AS type, attnotnull AS required,
       pg_get_expr(adbin, adrelid) IS NOT NULL AND pg_get_expr(adbin, adrelid) !~ '^(app\\.)?tid\\(\\)$' AS filled
     FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
     LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind IN ('r', 'p') ORDER BY relname, attnum`,
    [schema],
  )
  const uniques = await client.query(
    `SELECT c.relname AS table, i.relname AS index, (SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = i.oid) AS columns
     FROM pg_class c JOIN pg_index ON indrelid = c.oid AND indisunique JOIN pg_class i ON i.oid = indexrelid
     WHERE c.relnamespace = to_regnamespace(quote_ident($1)) ORDER BY 1, 2`,
    [schema],
  )
  const enums = await client.query(
    `SELECT typname AS name, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels FROM pg_type JOIN pg_enum ON enumtypid = pg_type.oid
     WHERE typnamespace = to_regnamespace(quote_ident($1)) GROUP BY 1`,
    [schema],
  )
  return { columns: columns.rows, uniques: uniques.rows, enums: enums.rows }
}

/** What the change from `before` to `after` may lose or may fail at. */
export function warningsOf(before: Snapshot, after: Snapshot): string[] {
  return [...columnWarnings(before, after), ...uniqueWarnings(before, after), ...enumWarnings(before, after)]
}

function columnWarnings(before: Snapshot, after: Snapshot): string[] {
  const warnings: string[] = []
  const old = Map.groupBy(before.columns, ({ table }) => table)
  const now = Map.groupBy(after.columns, ({ table }) => table)
  for (const [table, oldColumns] of old) {
    const columns = now.get(table)
    if (!columns) {
      warnings.push(
        `You are about to drop the \`${table}\` table. If the table is not empty, all the data it contains will be lost.`,
      )
      continue
    }
    const is = new Map(columns.map((column) => [column.column, column]))
    const was = new Map(oldColumns.map((column) => [column.column, column]))
    for (const { column, number, type, required } of oldColumns) {
      const present = is.get(column)
      const name = `column \`${column}\` on the \`${table}\` table`
      if (!present) warnings.push(`You are about to drop the ${name}. All the data in the column will be lost.`)
      else if (present.number !== number)
        warnings.push(
          `The ${name} would be dropped and recreated. This will lead to data loss if there is data in the column.`,
        )
      else if (present.type !== type)
        warnings.push(
          `You are about to alter the ${name}. The data in that column will be cast from \`${type}\` to \`${present.type}\`.`,
        )
      else if (present.required && !required)
        warnings.push(`Made the ${name} required. This will fail if there are existing NULL values in that column.`)
    }
    const dropped = oldColumns.find(({ column }) => !is.has(column))?.column
    const added = columns.find(({ column }) => !was.has(column))?.column
    if (dropped && added) {
      warnings.push(
        `If \`${dropped}\` was renamed to \`${added}\`, write ALTER TABLE "${table}" RENAME COLUMN "${dropped}" TO "${added}" instead.`,
      )
    }
    for (const { column, required, filled } of columns) {
      if (!was.has(column) && required && !filled)
        warnings.push(
          `Added the required column \`${column}\` to the \`${table}\` table without a value for existing rows. This is not possible if the table is not empty.`,
        )
    }
  }
  return warnings
}

function uniqueWarnings(before: Snapshot, after: Snapshot): string[] {
  const tables = new Set(before.columns.map(({ table }) => table))
  const known = new Set(before.uniques.map(({ table, columns }) => `${table}\0${columns}`))
  return after.uniques
    .filter(({ table, columns }) => tables.has(table) && !known.has(`${table}\0${columns}`))
    .map(
      ({ table, columns }) =>
        `A unique constraint covering the columns \`[${columns}]\` on the table \`${table}\` will be added. If there are existing duplicate values, this will fail.`,
    )
}

function enumWarnings(before: Snapshot, after: Snapshot): string[] {
  return before.enums.flatMap(({ name, labels }) => {
    const left = after.enums.find((other) => other.name === name)?.labels
    const removed = left ? labels.filter((label) => !left.includes(label)) : []
    if (removed.length === 0) return []
    return `The values [${removed.join(',')}] on the enum \`${name}\` will be removed. If these variants are still used in the database, this will fail.`
  })
}
