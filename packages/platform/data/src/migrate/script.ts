/** Runs the SQL of migrations. */
import type { Client, DatabaseError } from 'pg'
import { quote } from './connection.ts'

/**
 * Runs a migration's script in the current transaction, which the script cannot end: PostgreSQL refuses COMMIT and ROLLBACK in
 * what EXECUTE runs. PostgreSQL itself finds the ends of the statements, function bodies included.
 */
export async function runScript(client: Client, domain: string, sql: string): Promise<void> {
  // Row security off: it turns an UPDATE of rows that a policy would hide from the administrator into an error. The body
  // of a new function would meet the same error, so only an administrator whom no policy binds has bodies checked.
  await client.query(
    `SELECT set_config('search_path', $1, true), set_config('row_security', 'off', true),
       set_config('check_function_bodies', (rolsuper OR rolbypassrls)::text, true), set_config('offshoot.script', $2, true)
     FROM pg_roles WHERE rolname = current_user`,
    [`${quote(domain)}, app`, sql],
  )
  try {
    await client.query(`DO $$ BEGIN EXECUTE current_setting('offshoot.script'); END $$`)
  } catch (error) {
    const { code, message } = error as DatabaseError
    if (code === '25001')
      throw new Error(`${message}; only an index can be made outside of one, by a migration that does nothing else`, {
        cause: error,
      })
    const ends = code === '2D000' || (code === '0A000' && message.includes('transaction commands'))
    throw ends
      ? new Error('it ends the transaction it runs in; take its COMMIT or ROLLBACK out', { cause: error })
      : error
  }
}

/**
 * The name of the index that a migration makes while its table is written to, when that is all that the migration does: `CREATE INDEX CONCURRENTLY`, which refuses to be part of a
 * transaction.
 */
export function concurrentIndex(sql: string): string | undefined {
  const statement = sql.replaceAll(/--.*$/gm, '').trim()
  const [, name] =
    /^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?("[^"]+"|\w+)\s+ON\s[^;]+;?$/i.exec(
      statement,
    ) ?? []
  return name?.startsWith('"') ? name.slice(1, -1) : name?.toLowerCase()
}

/** The same where nobody writes, and inside a transaction. */
export const withoutConcurrency = (sql: string) => (concurrentIndex(sql) ? sql.replace(/\bCONCURRENTLY\b/i, '') : sql)

/** The line of `sql` that an error of {@link runScript} points at, if it points at one. */
export function lineOf(error: DatabaseError, sql: string): number | undefined {
  if (error.internalQuery !== sql || !error.internalPosition) return undefined
  return Array.from(sql).slice(0, Number(error.internalPosition)).join('').split('\n').length
}
