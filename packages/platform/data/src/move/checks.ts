/** What is asked before anything is changed. */
import type { DomainSchema } from '../migrate/domain-schema.ts'
import { appliedMigrations, historyProblems, readMigrations } from '../migrate/migrations.ts'
import { placementOf } from '../migrate/placement.ts'
import { type Database, tablesOf } from './database.ts'
import { MoveError } from './errors.ts'

/** Servers that can send and receive: both do, the target for the way back. */
export async function checkServer({ client, label, version }: Database, begun: boolean): Promise<void> {
  if (version < 150_000)
    throw new MoveError('OLD_SERVER', `${label} runs PostgreSQL ${Math.floor(version / 10_000)}; 15 or newer is needed`)
  const { rows } = await client.query<{
    level: string
    free: number
    workers: number
    superuser: boolean
    admin: string
  }>(`SELECT current_setting('wal_level') AS level, current_user AS admin,
      current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)::int AS free,
      current_setting('max_logical_replication_workers')::int - (SELECT count(*) FROM pg_subscription WHERE subenabled)::int AS workers,
      (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser`)
  const { level, free, workers, superuser, admin } = rows[0]!
  if (level !== 'logical')
    throw new MoveError(
      'WAL_LEVEL',
      `${label} runs with wal_level=${level}; set wal_level = logical in its configuration and restart it, the target too, for the way back`,
    )
  if (free < 3 && !begun)
    throw new MoveError(
      'NO_SLOTS',
      `${label} has ${free} replication slots left, and a move needs three; raise max_replication_slots`,
    )
  if (workers < 2 && !begun)
    throw new MoveError(
      'NO_SLOTS',
      `${label} has no process left to receive with; purge earlier moves, or raise max_logical_replication_workers`,
    )
  if (!superuser)
    throw new MoveError(
      'NOT_PERMITTED',
      `${admin} may not move data in ${label}: streams past row security take a superuser; give the URL of one`,
    )
}

/** The source must be what this program's migrations make, and all of it must be something that a stream carries. */
export async function checkSource(source: Database, domain: DomainSchema): Promise<void> {
  const { client, label } = source
  const { rows: known } = await client.query(`SELECT to_regclass('app.move') IS NOT NULL AS known`)
  const folder = readMigrations(domain)
  const history = known[0].known ? await appliedMigrations(client, domain.name) : []
  const applied = new Set(history.filter(({ finished_at }) => finished_at).map((one) => one.migration_name))
  const pending = folder.filter(({ name }) => !applied.has(name))
  const [problem] = historyProblems(domain, folder, history)
  if (!known[0].known || pending.length > 0 || problem)
    throw new MoveError(
      'NOT_MIGRATED',
      `${domain.name} in ${label} is not what its migrations make: ${problem?.message ?? 'some are pending'}; npm run db:migrate first`,
    )
  const { rows } = await client.query<{ object: string; why: string }>(
    `SELECT relname AS object, CASE relkind WHEN 'S' THEN 'a sequence, whose value no stream carries' WHEN 'm' THEN 'a materialized view'
        ELSE 'a table without a primary key' END AS why
     FROM pg_class c WHERE relnamespace = to_regnamespace(quote_ident($1)) AND (relkind IN ('S', 'm')
       OR relkind IN ('r', 'p') AND relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary))`,
    [domain.name],
  )
  if (rows.length > 0)
    throw new MoveError(
      'NOT_MOVABLE',
      `${domain.name} cannot be moved: ${rows.map(({ object, why }) => `${object} is ${why}`).join('; ')}`,
    )
}

/** The target may have the domain's tables, but nothing in them. */
export async function checkTarget(target: Database, domain: string): Promise<void> {
  const { client, label } = target
  const { state } = await placementOf(client, domain)
  for (const table of await tablesOf(client, domain)) {
    const { rowCount } = await client.query(`SELECT FROM ${table} LIMIT 1`)
    if (rowCount)
      throw new MoveError(
        'TARGET_NOT_EMPTY',
        `${label} has rows in ${table}${state === 'moved' ? ', left there by an earlier move: purge it first' : '; choose an empty database'}`,
      )
  }
}
