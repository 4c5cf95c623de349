import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { reason } from '../migrate/connection.ts'
import { placementTable } from '../migrate/placement.ts'
import { tablesOf } from './database.ts'
import { MoveError } from './errors.ts'
import { arrival, mark, type Stream } from './stream.ts'

/** How long the fence waits for what is under way, in ms. Short of PostgreSQL's `deadlock_timeout`: should somebody under way wait for somebody whom the fence holds back, then it is the fence that gives way. */
const longestWait = 350
/** How long a fence may stand in all, in ms: callers wait for at most 2 s. */
const longestFence = 1_000
/** How long a moment is looked for at which it can be raised, in ms, and the pause between two tries. */
const longestSearch = 5 * 60_000
const pause = 1_000

/** What the two databases were at the same moment, each as a transaction that reads. */
export interface Snapshots {
  from: pg.Client
  to: pg.Client
}

export interface Fenced<T> {
  /** How long writers were held back, in ms. */
  ms: number
  snapshots: Snapshots
  result: T
}

/**
 * Holds all writers of the domain back, waits until everything that they have written has arrived at the other end of the stream, and does `work` there and then. Reads go on.
 *
 * First the gate: no transaction begins any more, and those under way end. Then the tables: single statements, and whoever came past the gate, by hand for example. Both are locks of
 * one transaction, so that the fence is gone when this process is, however it ends. `work` gets that transaction, which is committed after it.
 */
export async function fenced<T>(
  stream: Stream,
  work: (fence: pg.Client) => Promise<T>,
  onRetry: (why: string) => void,
): Promise<Fenced<T>> {
  const { from, to, domain } = stream
  const fence = await from.connect()
  const snapshots = { from: await from.connect(), to: await to.connect() }
  const tables = await tablesOf(from.client, domain)
  for (const end = performance.now() + longestSearch; ; await sleep(pause)) {
    const began = performance.now()
    let why: string
    try {
      await raise(fence, domain, tables)
      const left = longestFence - (performance.now() - began)
      if (await arrival(stream, await mark(stream), left)) {
        for (const client of [snapshots.from, snapshots.to])
          await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT')
        const result = await work(fence)
        await fence.query('COMMIT')
        return { ms: performance.now() - began, snapshots, result }
      }
      why = `${to.label} is behind`
    } catch (error) {
      if (!passing.has((error as { code?: string }).code!)) throw error
      why = reason(error)
    } finally {
      await fence.query('ROLLBACK').catch(() => {}) // a warning, after COMMIT
    }
    onRetry(why)
    if (performance.now() > end)
      throw new MoveError(
        'BUSY',
        `For ${longestSearch / 60_000} minutes writing could not be held back for a moment: ${why}; look for long transactions in ${from.label}, and run the command again`,
      )
  }
}

/** lock_timeout, statement_timeout, deadlock. */
const passing = new Set(['55P03', '57014', '40P01'])

async function raise(fence: pg.Client, domain: string, tables: readonly string[]): Promise<void> {
  // Autovacuum would not let go before deadlock_timeout, and takes its work up again by itself.
  await fence.query(
    `SELECT pg_cancel_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE backend_type = 'autovacuum worker' AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)))`,
    [domain],
  )
  await fence.query(
    `BEGIN; SET LOCAL statement_timeout = ${longestWait}; SET LOCAL idle_in_transaction_session_timeout = ${2 * longestFence}`,
  )
  await fence.query(`LOCK TABLE ${placementTable(domain)} IN EXCLUSIVE MODE`)
  await fence.query(`LOCK TABLE ${tables.join(', ')} IN SHARE MODE`)
  await fence.query('SET LOCAL statement_timeout = 0')
}

export const release = ({ from, to }: Snapshots) => Promise.allSettled([from.end(), to.end()])
