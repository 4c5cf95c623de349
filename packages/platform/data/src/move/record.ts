import type pg from 'pg'
import type { Database } from './database.ts'

/** How far a move is. Each is written before its work begins, so that whoever comes after a crash begins with it again. */
export type Step = 'prepare' | 'copy' | 'verify' | 'switch' | 'settle' | 'moved' | 'return' | 'unhitch' | 'returned'

export interface Move {
  readonly id: string
  readonly part: 'from' | 'to'
  /** The other database's URL, without user and password. */
  readonly other: string
  readonly step: Step
}

export async function moveOf({ client }: Database, domain: string): Promise<Move | undefined> {
  const { rows: known } = await client.query(`SELECT to_regclass('app.move') IS NOT NULL AS known`)
  if (!known[0].known) return undefined
  const { rows } = await client.query<Move>('SELECT id, part, other, step FROM app.move WHERE domain = $1', [domain])
  return rows[0]
}

export async function note(client: pg.Client, domain: string, { id, part, other, step }: Move): Promise<void> {
  await client.query(
    `INSERT INTO app.move (domain, id, part, other, step) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (domain) DO UPDATE SET step = $5, changed_at = clock_timestamp()`,
    [domain, id, part, other, step],
  )
}

export async function forget(client: pg.Client, domain: string, id: string): Promise<void> {
  const { rows } = await client.query(`SELECT to_regclass('app.move') IS NOT NULL AS known`)
  if (!rows[0].known) return
  await client.query('DELETE FROM app.move_mark WHERE move = $1', [id])
  await client.query('DELETE FROM app.move WHERE domain = $1', [domain])
}
