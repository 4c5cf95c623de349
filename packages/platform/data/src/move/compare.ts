import type pg from 'pg'
import { tablesOf } from './database.ts'
import { MoveError } from './errors.ts'
import { release, type Snapshots } from './fence.ts'

interface Contents {
  rows: number
  checksum: string
}

/** Compares the rows of each table, by count and checksum, at the moment that the snapshots show. Returns how many there are. */
export async function compare(
  snapshots: Snapshots,
  domain: string,
  onTable: (table: string, rows: number) => void,
): Promise<number> {
  try {
    const tables = await tablesOf(snapshots.from, domain)
    const different: string[] = []
    let total = 0
    for (const table of tables) {
      const columns = await columnsOf(snapshots.from, table)
      const [here, there] = await Promise.all([
        contentsOf(snapshots.from, table, columns),
        contentsOf(snapshots.to, table, columns),
      ])
      if (here.rows !== there.rows) different.push(`${table} has ${here.rows} rows, and ${there.rows} there`)
      else if (here.checksum !== there.checksum) different.push(`${table} has other rows there`)
      total += here.rows
      onTable(table, here.rows)
    }
    if (different.length > 0)
      throw new MoveError(
        'DIFFERENT',
        `The two databases differ: ${different.join('; ')}; take the move back (--back), purge what was copied (--purge), and begin anew`,
      )
    return total
  } finally {
    await release(snapshots)
  }
}

/** By name: the order in which a table came by its columns may differ. */
async function columnsOf(client: pg.Client, table: string): Promise<string> {
  const { rows } = await client.query<{ columns: string }>(
    `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) AS columns FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
    [table],
  )
  return rows[0]!.columns
}

/** The sum of the rows' hashes: in whatever order they lie. md5 rather than PostgreSQL's own hash functions, which may differ from version to version. */
async function contentsOf(client: pg.Client, table: string, columns: string): Promise<Contents> {
  const { rows } = await client.query<{ rows: string; checksum: string }>(
    `SELECT count(*) AS rows, coalesce(sum(('x' || left(md5(ROW(${columns})::text), 16))::bit(64)::bigint::numeric), 0) AS checksum FROM ONLY ${table}`,
  )
  return { rows: Number(rows[0]!.rows), checksum: rows[0]!.checksum }
}
