/**
 * The cluster of a data directory, all of it below `<dataDir>/postgres`:
 *
 *     data/      what PostgreSQL calls its data directory
 *     password   the administrator's
 *     port       where it was served last
 *     owner      the process that has to stop the server
 *     log        what PostgreSQL says, of the present run
 *
 * Invariant: `postgres` exists as a whole or not at all. It is made in a folder `postgres.new-…`, which is renamed when it is
 * finished, so that an initialisation that was killed is begun anew, and what is left of it (initdb may outlive us) does no harm.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, lchown, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Binaries, POSTGRES_MAJOR } from './binaries.ts'
import { explainFileError, ServerError } from './errors.ts'
import { canReach, type User } from './unprivileged.ts'

/** The cluster of one data directory. */
export interface Cluster {
  readonly dataDir: string
  /** The folder below it that holds everything. */
  readonly home: string
  /** What PostgreSQL calls its data directory. */
  readonly data: string
  /** Whom PostgreSQL runs as; undefined when that is the present user. */
  readonly user: User | undefined
  readonly password: string
}

export const homeOf = (dataDir: string) => join(dataDir, 'postgres')

/** Opens the cluster of a data directory, making it first where there is none. Call it under the lock. */
export async function openCluster(
  dataDir: string,
  user: User | undefined,
  binaries: Binaries,
  durable: boolean,
  log: (line: string) => void,
): Promise<Cluster> {
  const home = homeOf(dataDir)
  if (!existsSync(home)) {
    log(`initialising PostgreSQL ${POSTGRES_MAJOR} in ${home}`)
    await initialise(dataDir, user, binaries, durable)
  }
  const data = join(home, 'data')
  if (user) await giveTo(user, home)
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch((error) => {
    if (error.code !== 'ENOENT') throw explainFileError(error, dataDir)
    throw new ServerError(
      'NOT_A_CLUSTER',
      `${home} holds no PostgreSQL cluster; move it away, or set DATA_DIR to another path`,
    )
  })
  if (version.trim() !== POSTGRES_MAJOR) {
    throw new ServerError(
      'OTHER_VERSION',
      `${home} was made by PostgreSQL ${version.trim()}, and this is PostgreSQL ${POSTGRES_MAJOR}: dump it with the former and restore it here, or move it away to begin anew`,
    )
  }
  const password = await readFile(join(home, 'password'), 'utf8').catch((error) => {
    throw explainFileError(error, dataDir)
  })
  return { dataDir, home, data, user, password }
}

async function initialise(dataDir: string, user: User | undefined, { initdb }: Binaries, durable: boolean) {
  const draftName = `${basename(homeOf(dataDir))}.new-`
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(draftName)) continue
    await rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => {})
  }
  const draft = await mkdtemp(join(dataDir, draftName))
  const data = join(draft, 'data')
  const passwordFile = join(draft, 'password')
  await mkdir(data, { mode: 0o700 })
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 })
  if (user) for (const path of [draft, data, passwordFile]) await chown(path, user.uid, user.gid)
  const [path, sibling] = pathsFor(data, user)
  const args = [
    ...['-D', path, '--username=postgres', `--pwfile=${sibling('password')}`, '--auth=scram-sha-256'],
    // The same order and case rules on every machine, whatever its locales.
    ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ]
  await new Promise<void>((resolve, reject) => {
    execFile(initdb, args, { cwd: data, env: environment(), ...user }, (error, _, stderr) => {
      if (error)
        reject(new ServerError('START_FAILED', `initdb failed: ${stderr.trim() || error.message}`, { cause: error }))
      else resolve()
    })
  })
  await rename(draft, homeOf(dataDir))
}

/** Root's copy of a clone belongs to root as a whole. */
async function giveTo(user: User, home: string): Promise<void> {
  if ((await lstat(home)).uid === user.uid) return
  for (const name of await readdir(home, { recursive: true })) await lchown(join(home, name), user.uid, user.gid)
  await lchown(home, user.uid, user.gid)
}

/**
 * How PostgreSQL's programs name the data directory, and files beside it, when they run in it. Where the user can't reach
 * it by its path, Linux leads there all the same: /proc/self/cwd is the directory itself, not its path.
 */
export function pathsFor(data: string, user: User | undefined): [data: string, beside: (name: string) => string] {
  const path = canReach(data, user) ? data : '/proc/self/cwd'
  if (path !== data && process.platform !== 'linux') {
    throw new ServerError(
      'NOT_PERMITTED',
      `PostgreSQL does not run as root, and ${data} can't be entered by others; set DATA_DIR to a directory that can`,
    )
  }
  return [path, (name) => `${path}/../${name}`]
}

/** What PostgreSQL's programs inherit: nothing that would change what they do, such as PGDATA or a locale. */
export function environment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot, TMPDIR } = process.env
  return { PATH, SystemRoot, TMPDIR, LC_ALL: 'C' }
}
