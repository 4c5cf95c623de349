/** PostgreSQL's main process: finding the one that serves a cluster, starting it, and ending it. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Cluster, environment, pathsFor } from './cluster.ts'
import { ServerError } from './errors.ts'
import { isAlive, programOf } from './processes.ts'

/** A process that serves a cluster. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
}

/** The administrator's URL. */
export function adminUrl({ password }: Cluster, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
}

const pidFile = ({ data }: Cluster) => join(data, 'postmaster.pid')

/** PostgreSQL's own note about itself; its lines are described in pidfile.h. */
function readPidFile(cluster: Cluster): (Postmaster & { ready: boolean }) | undefined {
  let lines: string[]
  try {
    lines = readFileSync(pidFile(cluster), 'utf8').split('\n')
  } catch {
    return undefined
  }
  return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
}

/** How long a server that is starting, recovering or shutting down may take until it answers or ends, in ms. */
const ANSWER_MS = 60_000

/**
 * The running server of a cluster, or undefined when there is none; then it may be started. Call it under the lock.
 *
 * A pid file proves little: it survives a crash, its process id may have passed to another program, and in a copied clone it
 * names the original's server. So the server is asked whether it sees a file that was put into this directory just now.
 */
export async function findPostmaster(cluster: Cluster): Promise<Postmaster | undefined> {
  const end = Date.now() + ANSWER_MS
  for (;;) {
    const noted = readPidFile(cluster)
    if (!noted || !isAlive(noted.pid)) return undefined // PostgreSQL recognises what is left as stale.
    const program = programOf(noted.pid)
    const answer = program && !program.includes('postgres') ? 'foreign' : await ask(cluster, noted.port)
    if (answer === 'ours') return noted
    if (answer === 'foreign') {
      // PostgreSQL would take the living process for a server of this directory, and refuse to start.
      await rm(pidFile(cluster), { force: true })
      return undefined
    }
    if (Date.now() > end) {
      throw new ServerError(
        'UNRESPONSIVE',
        `PostgreSQL (process ${noted.pid}) runs in ${cluster.home} and doesn't answer on port ${noted.port}; end that process, and try again`,
      )
    }
    await sleep(25)
  }
}

async function ask(cluster: Cluster, port: number): Promise<'ours' | 'foreign' | 'silent'> {
  const name = `asked-${randomUUID()}`
  const file = join(cluster.data, name)
  const client = new pg.Client({ connectionString: adminUrl(cluster, port), connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await writeFile(file, '')
    await client.connect()
    const { rows } = await client.query('SELECT (pg_stat_file($1, true)).size IS NOT NULL AS seen', [name])
    return rows[0].seen ? 'ours' : 'foreign'
  } catch (error) {
    return (error as pg.DatabaseError).code === '28P01' ? 'foreign' : 'silent'
  } finally {
    await rm(file, { force: true })
    await client.end().catch(() => {})
  }
}

/** Why a start failed, as far as it matters to whoever tries again. */
export type StartFailure = 'PORT_TAKEN' | 'STILL_IN_USE'

/** Starts the server on that port, or says why another attempt may succeed. */
export async function startPostmaster(
  cluster: Cluster,
  postgres: string,
  port: number,
  durable: boolean,
): Promise<Postmaster | StartFailure> {
  const logFile = join(cluster.home, 'log')
  await rm(logFile, { force: true }) // it may be another user's
  const output = await open(logFile, 'wx', 0o600)
  const [data] = pathsFor(cluster.data, cluster.user)
  const child = spawn(postgres, ['-D', data, ...settings(port, durable)], {
    cwd: cluster.data,
    env: environment(),
    stdio: ['ignore', output.fd, output.fd],
    detached: true, // Ctrl-C in a terminal goes to the whole group; when PostgreSQL stops is its owner's decision.
    ...cluster.user,
  })
  let failure: Error | undefined
  let ended = false
  child.on('error', (error) => {
    failure = error
    ended = true
  })
  child.on('exit', () => {
    ended = true
  })
  child.unref()
  await output.close()
  while (!ended) {
    const noted = readPidFile(cluster)
    if (noted?.ready && noted.pid === child.pid) return { pid: noted.pid, port: noted.port }
    await sleep(10)
  }
  const said = await readFile(logFile, 'utf8').catch(() => '')
  if (/could not create any TCP\/IP sockets|could not bind|Address already in use/.test(said)) return 'PORT_TAKEN'
  if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said)) return 'STILL_IN_USE'
  const last = said.trim().split('\n').slice(-5).join('\n')
  throw new ServerError(
    'START_FAILED',
    `PostgreSQL could not be started in ${cluster.home}: ${last || failure?.message}`,
    {
      cause: failure,
    },
  )
}

function settings(port: number, durable: boolean): string[] {
  const all: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    wal_level: 'logical',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Neither statements nor the DETAIL of an error: they may hold personal data.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
  }
  if (!durable) {
    // All tests of a run share it, those included that run several products at once.
    Object.assign(all, { max_connections: 1_000, log_min_messages: 'fatal' })
    Object.assign(all, { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' })
  }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/**
 * Ends the server: a fast shutdown, and harsher ones when it takes too long (a subscriber that doesn't follow, a large
 * checkpoint), after which the next start recovers. Committed data is kept in any case.
 */
export async function stopPostmaster({ pid }: Postmaster): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', 2_000],
    ['SIGQUIT', 500],
    ['SIGKILL', 500],
  ] as const) {
    try {
      process.kill(pid, signal)
    } catch {
      return
    }
    for (const end = Date.now() + patience; Date.now() < end; ) {
      if (!isAlive(pid)) return
      await sleep(10)
    }
  }
}

/**
 * Ends the server when this process dies, however it dies: a shell waits for the end of a pipe whose other end nobody else
 * holds. Returns how to call it off. (Windows has no such shell: there the next start adopts the server.)
 */
export function stopWithThisProcess({ pid }: Postmaster): () => void {
  if (process.platform === 'win32') return () => {}
  const watcher = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$1"', 'offshoot-postgres-watcher', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  watcher.on('error', () => {})
  watcher.stdin.on('error', () => {})
  watcher.unref()
  ;(watcher.stdin as unknown as { unref(): void }).unref()
  return () => void watcher.kill('SIGKILL')
}
