/**
 * The embedded server of a data directory. It has one owner at a time, the process that stops it; others attach. It ends with
 * its owner, even if that is killed; should it outlive it, whoever needs it next becomes its owner.
 */
import { existsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinaries } from './binaries.ts'
import { type Cluster, homeOf, openCluster } from './cluster.ts'
import { makeDataDirectory } from './directory.ts'
import { explainFileError, ServerError } from './errors.ts'
import { withLock } from './lock.ts'
import {
  adminUrl,
  findPostmaster,
  type Postmaster,
  startPostmaster,
  stopPostmaster,
  stopWithThisProcess,
} from './postmaster.ts'
import { identityOf, isRunning } from './processes.ts'
import { unprivilegedUser } from './unprivileged.ts'

export interface ServerOptions {
  /** Where the cluster is kept, in a folder `postgres`. Made where it doesn't exist. */
  dataDir: string
  /** Taken means an error. By default the port of the last time, or the first free one from 5433 on. */
  port?: number
  /** False gives up safety against a crash of the machine for speed, in tests. Default true. */
  durable?: boolean
  /** Told what takes time or may surprise, a sentence each time. */
  log?(line: string): void
}

/** A server that runs. */
export interface Server {
  /** The administrator's, at 127.0.0.1. It contains the password. */
  readonly url: string
  /** Whether another process started it and will stop it. */
  readonly attached: boolean
  /** Stops it, in less than 3 s; nothing when attached. May be called again. */
  stop(): Promise<void>
}

/** Starts the server of a data directory. An error `ALREADY_RUNNING` when another process has done so. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const server = await ensureServer(options)
  if (!server.attached) return server
  const { host } = new URL(server.url)
  throw new ServerError('ALREADY_RUNNING', `PostgreSQL runs already for ${resolve(options.dataDir)}, at ${host}`)
}

/**
 * Attaches to the server of a data directory; adopts one whose owner died; starts it where none runs. What it attached to ends
 * when its owner stops it.
 */
export async function ensureServer(options: ServerOptions): Promise<Server> {
  const { durable = true, log = () => {} } = options
  const dataDir = resolve(options.dataDir)
  try {
    await makeDataDirectory(dataDir)
    return await withLock(lockOf(dataDir), async () => {
      const user = unprivilegedUser(homeOf(dataDir))
      const binaries = await findBinaries(dataDir, user, log)
      const cluster = await openCluster(dataDir, user, binaries, durable, log)
      const running = await findPostmaster(cluster)
      if (running && (await hasOwner(cluster, running))) {
        return { url: adminUrl(cluster, running.port), attached: true, stop: async () => {} }
      }
      if (running) log(`adopting the PostgreSQL that runs on port ${running.port}: the process that started it is gone`)
      const startOn = (port?: number) => start(cluster, binaries.postgres, port, durable, log)
      return await own(cluster, running ?? (await startOn(options.port)), startOn, log)
    })
  } catch (error) {
    throw error instanceof ServerError ? error : explainFileError(error, dataDir)
  }
}

const lockOf = (dataDir: string) => `${homeOf(dataDir)}.lock`
const ownerFile = ({ home }: Cluster) => join(home, 'owner')

/** The note names the server as well, so that the note of an earlier one says nothing. */
async function hasOwner(cluster: Cluster, { pid }: Postmaster): Promise<boolean> {
  const note = await readFile(ownerFile(cluster), 'utf8').catch(() => '')
  const [server, owner] = note.split('\n')
  return server === identityOf(pid) && isRunning(owner!)
}

/** How often the owner looks whether its server still runs, in ms. */
const CHECK_MS = 500

/** Makes this process the owner: it stops the server, and starts it again, on the same port, should it be killed. */
async function own(
  cluster: Cluster,
  started: Postmaster,
  startOn: (port: number) => Promise<Postmaster>,
  log: (line: string) => void,
): Promise<Server> {
  const { port } = started
  let owned: { identity: string; postmaster: Postmaster; callOff(): void } | undefined
  let reviving: Promise<void> | undefined
  let stopping: Promise<void> | undefined

  async function take(postmaster: Postmaster): Promise<void> {
    const identity = identityOf(postmaster.pid)
    owned = { identity, postmaster, callOff: stopWithThisProcess(postmaster) }
    await replaceFile(ownerFile(cluster), `${identity}\n${identityOf(process.pid)}`)
  }

  async function revive(): Promise<void> {
    owned?.callOff()
    owned = undefined
    log('PostgreSQL ended unexpectedly; starting it again')
    try {
      await withLock(lockOf(cluster.dataDir), async () => {
        const running = await findPostmaster(cluster)
        if (running && (await hasOwner(cluster, running))) return // another process was faster, and stops it
        await take(running ?? (await startOn(port)))
      })
    } catch (error) {
      log(`PostgreSQL could not be started again: ${error instanceof Error ? error.message : error}`)
    }
  }

  async function stop(): Promise<void> {
    clearInterval(check)
    await reviving
    if (!owned) return
    if (isRunning(owned.identity)) await stopPostmaster(owned.postmaster)
    owned.callOff()
  }

  await take(started)
  const check = setInterval(() => {
    if (owned && !isRunning(owned.identity)) reviving = revive()
  }, CHECK_MS).unref()
  return {
    url: adminUrl(cluster, port),
    attached: false,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

const FIRST_PORT = 5433
/** How long processes of a server that was killed may take to notice it, in ms. */
const LINGER_MS = 10_000

async function start(
  cluster: Cluster,
  postgres: string,
  wanted: number | undefined,
  durable: boolean,
  log: (line: string) => void,
): Promise<Postmaster> {
  const portFile = join(cluster.home, 'port')
  const remembered = Number(await readFile(portFile, 'utf8').catch(() => '')) || FIRST_PORT
  const end = Date.now() + LINGER_MS
  for (let port = wanted ?? remembered; port < 65_536; ) {
    const started = (await isFree(port)) ? await startPostmaster(cluster, postgres, port, durable) : 'PORT_TAKEN'
    if (typeof started === 'object') {
      if (existsSync(portFile) && port !== remembered) log(`port ${remembered} is taken: PostgreSQL listens on ${port}`)
      if (port !== wanted) await replaceFile(portFile, String(port))
      return started
    }
    if (started === 'PORT_TAKEN') {
      if (wanted)
        throw new ServerError('PORT_TAKEN', `Port ${wanted} is in use; choose another for PostgreSQL, or none`)
      port++
    } else if (Date.now() < end) {
      await sleep(100)
    } else {
      throw new ServerError(
        'UNRESPONSIVE',
        `Processes of a PostgreSQL that was killed still use ${cluster.data}; end them, and try again`,
      )
    }
  }
  throw new ServerError('PORT_TAKEN', `No port from ${remembered} on is free for PostgreSQL`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

/** Also when another user (root, earlier) wrote the present one. Never through a link that the server's user may have put there. */
async function replaceFile(file: string, text: string): Promise<void> {
  await rm(`${file}.new`, { force: true })
  await writeFile(`${file}.new`, text, { flag: 'wx', mode: 0o644 })
  await rename(`${file}.new`, file)
}
