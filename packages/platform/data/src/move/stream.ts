/** A stream of changes from one database to another: publication, slot and subscription, all of one name. Every function here can run again. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { quote, reason } from '../migrate/connection.ts'
import { moverRole, rolePassword, scramVerifier } from '../migrate/roles.ts'
import type { Database } from './database.ts'
import { MoveError } from './errors.ts'

export interface Stream {
  readonly from: Database
  readonly to: Database
  readonly domain: string
  readonly move: string
  readonly direction: 'out' | 'back'
  readonly appSecret: string
}

const nameOf = ({ domain, move, direction }: Stream) => `offshoot_${domain}_${move.slice(0, 8)}_${direction}`
const moverOf = ({ from, domain }: Stream) => moverRole(from.client.database!, domain)

/** What the sending side needs: a role that reads, what is read, and from where on. Whatever commits from now on is kept until it is sent. */
export async function prepareSending(stream: Stream, tables: readonly string[]): Promise<void> {
  const { from, domain, move, direction, appSecret } = stream
  const { client } = from
  const role = moverOf(stream)
  const name = nameOf(stream)
  const { rowCount: known } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role])
  if (!known) await client.query(`CREATE ROLE ${quote(role)}`)
  await client.query(`
    ALTER ROLE ${quote(role)} LOGIN REPLICATION BYPASSRLS NOSUPERUSER PASSWORD '${scramVerifier(appSecret, role)}';
    GRANT CONNECT ON DATABASE ${quote(client.database!)} TO ${quote(role)};
    GRANT USAGE ON SCHEMA app, ${quote(domain)} TO ${quote(role)};
    GRANT SELECT ON app.move_mark, ${tables.join(', ')} TO ${quote(role)};
    INSERT INTO app.move_mark VALUES ('${move}', '${direction}', 0) ON CONFLICT DO NOTHING`)
  const { rowCount: published } = await client.query('SELECT FROM pg_publication WHERE pubname = $1', [name])
  if (!published) {
    const marks = `app.move_mark WHERE (move = '${move}' AND direction = '${direction}')`
    await client.query(`CREATE PUBLICATION ${quote(name)} FOR TABLE ${[...tables, marks].join(', ')}`)
  }
  const { rowCount: kept } = await client.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [name])
  if (!kept) await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [name])
}

/** `copy`: with what is there already. */
export async function subscribe(stream: Stream, { copy, enabled }: { copy: boolean; enabled: boolean }): Promise<void> {
  const { from, to, move, direction, appSecret } = stream
  const name = nameOf(stream)
  const { rows } = await to.client.query<{ subenabled: boolean }>(subscription, [name])
  if (rows[0]) {
    if (enabled && !rows[0].subenabled) await to.client.query(`ALTER SUBSCRIPTION ${quote(name)} ENABLE`)
    return
  }
  // A copy brings the mark along; without one it must be there, since what is streamed are changes of it.
  if (!copy)
    await to.client.query('INSERT INTO app.move_mark VALUES ($1, $2, 0) ON CONFLICT DO NOTHING', [move, direction])
  // Created without the slot: within one cluster a subscription that creates its own waits for itself.
  const options = [
    'create_slot = false',
    `slot_name = ${pg.escapeLiteral(name)}`,
    `copy_data = ${copy}`,
    `enabled = ${enabled}`,
    `disable_on_error = ${copy}`, // whoever moves looks at it; the way back tries again by itself
    ...(to.version >= 160_000 ? ['run_as_owner = true'] : []), // row security binds the tables' owner, where that is no superuser
  ]
  const connection = connectionString(from, moverOf(stream), appSecret)
  try {
    await to.client.query(
      `CREATE SUBSCRIPTION ${quote(name)} CONNECTION ${pg.escapeLiteral(connection)} PUBLICATION ${quote(name)} WITH (${options.join(', ')})`,
    )
  } catch (error) {
    if ((error as { code?: string }).code !== '08006') throw error
    throw new MoveError('UNREACHABLE', `${to.label} cannot connect to ${from.label}: ${reason(error)}`, {
      cause: error,
    })
  }
}

const subscription = `SELECT oid, subenabled FROM pg_subscription
  WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`

/** As libpq has it. */
function connectionString({ url }: Database, user: string, appSecret: string): string {
  const { host, port, database } = new pg.Client(url)
  const sslmode = new URL(url).searchParams.get('sslmode')
  const parts = {
    host,
    port,
    dbname: database,
    user,
    password: rolePassword(appSecret, user),
    ...(sslmode && { sslmode }),
  }
  return Object.entries(parts)
    .map(([key, value]) => `${key}='${String(value).replace(/['\\]/g, '\\$&')}'`)
    .join(' ')
}

export interface CopyState {
  tables: number
  copied: number
  /** Rows of the tables that are being copied. */
  underWay: number
  copiedTables: string[]
}

export async function copyState(stream: Stream): Promise<CopyState> {
  const { client } = stream.to
  const name = nameOf(stream)
  const { rows } = await client.query<{ subenabled: boolean; name: string; done: boolean; rows: string }>(
    `SELECT subenabled, format('%I.%I', nspname, relname) AS name, srsubstate = 'r' AS done, coalesce(tuples_processed, 0) AS rows
     FROM pg_subscription s JOIN pg_subscription_rel ON srsubid = s.oid JOIN pg_class c ON c.oid = srrelid JOIN pg_namespace n ON n.oid = relnamespace
     LEFT JOIN pg_stat_progress_copy p ON p.relid = srrelid AND p.datname = current_database() AND srsubstate <> 'r'
     WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [name],
  )
  assertEnabled(stream, rows[0]?.subenabled)
  const done = rows.filter(({ done }) => done)
  return {
    tables: rows.length,
    copied: done.length,
    underWay: rows.reduce((sum, row) => sum + Number(row.rows), 0),
    copiedTables: done.map(({ name }) => name),
  }
}

export async function assertRunning(stream: Stream): Promise<void> {
  const { rows } = await stream.to.client.query<{ subenabled: boolean }>(subscription, [nameOf(stream)])
  assertEnabled(stream, rows[0]?.subenabled)
}

function assertEnabled({ to }: Stream, enabled: boolean | undefined): void {
  if (enabled) return
  throw new MoveError(
    'STREAM_STOPPED',
    `PostgreSQL stopped copying into ${to.label}: its log says why (no space, a row that does not fit); put it right and run the command again`,
  )
}

/** Writes a mark, and tells its number. */
export async function mark({ from, move, direction }: Stream): Promise<number> {
  const { rows } = await from.client.query<{ mark: string }>(
    'UPDATE app.move_mark SET mark = mark + 1 WHERE move = $1 AND direction = $2 RETURNING mark',
    [move, direction],
  )
  return Number(rows[0]!.mark)
}

/** Resolves to true once everything that was committed before the mark has arrived; to false when it has not within that time. */
export async function arrival({ to, move, direction }: Stream, number: number, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; ; await sleep(2)) {
    const { rows } = await to.client.query<{ mark: string }>(
      'SELECT mark FROM app.move_mark WHERE move = $1 AND direction = $2',
      [move, direction],
    )
    if (Number(rows[0]?.mark ?? -1) >= number) return true
    if (performance.now() > end) return false
  }
}

/** Forgets what was not sent yet: it came from the other side. */
export async function skipToNow(stream: Stream): Promise<void> {
  await stream.from.client.query('SELECT pg_replication_slot_advance($1, pg_current_wal_flush_lsn())', [nameOf(stream)])
}

/** In bytes of the write-ahead log. */
export async function backlog(stream: Stream): Promise<number> {
  const { rows } = await stream.from.client.query<{ bytes: string }>(
    'SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) AS bytes FROM pg_replication_slots WHERE slot_name = $1',
    [nameOf(stream)],
  )
  return Math.max(0, Number(rows[0]?.bytes ?? 0))
}

/** Ends the receiving side; what it has received stays. */
export async function unsubscribe(stream: Stream): Promise<void> {
  const { client } = stream.to
  const name = nameOf(stream)
  const { rowCount } = await client.query(subscription, [name])
  if (!rowCount) return
  await client.query(`ALTER SUBSCRIPTION ${quote(name)} DISABLE`)
  await client.query(`ALTER SUBSCRIPTION ${quote(name)} SET (slot_name = NONE)`)
  await client.query(`DROP SUBSCRIPTION ${quote(name)}`)
}

/** Ends the sending side, after the other one. */
export async function stopSending(stream: Stream): Promise<void> {
  const { client } = stream.from
  const name = nameOf(stream)
  for (let tries = 0; ; tries++) {
    const { rows } = await client.query<{ pid: number | null }>(
      'SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1',
      [name],
    )
    if (!rows[0]) break
    if (rows[0].pid === null) {
      const gone = await client.query('SELECT pg_drop_replication_slot($1)', [name]).then(
        () => true,
        () => false,
      )
      if (gone) break
    } else if (tries > 50) await client.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
    await sleep(50)
  }
  await client.query(`DROP PUBLICATION IF EXISTS ${quote(name)}`)
  const role = moverOf(stream)
  const { rowCount: known } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role])
  if (known) await client.query(`DROP OWNED BY ${quote(role)}; DROP ROLE ${quote(role)}`)
}
