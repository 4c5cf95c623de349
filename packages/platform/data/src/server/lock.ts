/** One process at a time starts, attaches to or adopts the server of a data directory. */
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServerError } from './errors.ts'
import { identityOf, isRunning } from './processes.ts'

/** The holder touches its lock each second; a lock untouched for longer than this was left by a crash. In ms. */
const STALE_MS = 10_000
const WAIT_MS = 60_000

/**
 * Runs `work` while no other process holds the lock file. Its holder may be killed at any time: what happens under the lock
 * must be atomic by itself, the lock only spares the losers of a race their work.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const end = Date.now() + WAIT_MS
  while (!(await acquire(file))) {
    if (Date.now() > end) {
      throw new ServerError('LOCKED', `Another process has held ${file} for ${WAIT_MS / 1000} s: end it, and try again`)
    }
    await sleep(25)
  }
  const touch = setInterval(() => utimes(file, new Date(), new Date()).catch(() => {}), 1_000).unref()
  try {
    return await work()
  } finally {
    clearInterval(touch)
    await rm(file, { force: true })
  }
}

async function acquire(file: string): Promise<boolean> {
  try {
    await writeFile(file, identityOf(process.pid), { flag: 'wx', mode: 0o644 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const holder = await readFile(file, 'utf8').catch(() => '')
  const touched = await stat(file).catch(() => undefined)
  if (!touched) return false
  // Empty: its holder has created it and not yet written.
  if ((holder && !isRunning(holder)) || Date.now() - touched.mtimeMs > STALE_MS) {
    const stale = `${file}.${process.pid}`
    await rename(file, stale).catch(() => {})
    await rm(stale, { force: true })
  }
  return false
}
