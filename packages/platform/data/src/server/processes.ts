/** What can be said of a process by its id. Ids are reused, so an id alone proves nothing. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Whether a process of this id exists and isn't merely waiting to be collected. */
export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return statOf(pid)?.state !== 'Z'
}

/** Names a process so that a later one with the same id is told from it, where the system says when it began. */
export function identityOf(pid: number): string {
  return `${pid} ${statOf(pid)?.start ?? ''}`.trim()
}

/** Whether the process that {@link identityOf} named still runs. */
export function isRunning(identity: string): boolean {
  const pid = Number.parseInt(identity, 10)
  return isAlive(pid) && identityOf(pid) === identity
}

/** The name of the program that it runs; undefined where the system doesn't say. */
export function programOf(pid: number): string | undefined {
  const stat = statOf(pid)
  if (stat) return stat.program
  if (process.platform === 'win32') return undefined
  try {
    return execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

/** From Linux' /proc; see proc_pid_stat(5). */
function statOf(pid: number): { program: string; state: string; start: string } | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  const end = text.lastIndexOf(')') // the name may contain anything
  const fields = text.slice(end + 2).split(' ')
  return { program: text.slice(text.indexOf('(') + 1, end), state: fields[0]!, start: fields[19]! }
}
