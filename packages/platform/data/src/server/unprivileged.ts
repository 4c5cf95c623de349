/**
 * PostgreSQL refuses to run as root. Started by root (most containers), it runs as an unprivileged user of the system, who
 * needs a way to its binaries and to its data; below a directory that others can't enter (`/root`) there is none.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ServerError } from './errors.ts'

/** Whom PostgreSQL runs as. */
export interface User {
  readonly uid: number
  readonly gid: number
}

const isRoot = process.getuid?.() === 0

/** The user to switch to; undefined when no switch is needed. The owner of existing data, so that it stays readable. */
export function unprivilegedUser(existing: string): User | undefined {
  if (!isRoot) return undefined
  if (existsSync(existing)) {
    const { uid, gid } = statSync(existing)
    if (uid !== 0) return { uid, gid }
  }
  const users = new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => [name!, { uid: Number(uid), gid: Number(gid) }]),
  )
  const user = users.get('postgres') ?? users.get('nobody')
  if (user) return user
  throw new ServerError(
    'NOT_PERMITTED',
    'PostgreSQL does not run as root, and this system has no user named postgres or nobody; add one, or run as another user',
  )
}

/** Whether the user may enter every directory on the way to `path`. */
export function canReach(path: string, user: User | undefined): boolean {
  if (!user) return true
  for (let directory = resolve(path); ; directory = dirname(directory)) {
    const { mode, uid, gid } = statSync(directory)
    const execute = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if (!(mode & execute)) return false
    if (directory === dirname(directory)) return true
  }
}
