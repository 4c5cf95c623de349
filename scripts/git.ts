import { execFileSync, spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'

/**
 * Runs git there and tells what it printed; fails with what it complained of. Nothing is asked for at the terminal. In a process group of its own, so that a Ctrl-C, which
 * this process gets to see afterwards, does not end it halfway.
 */
export function git(directory: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const options = {
    encoding: 'utf8',
    detached: process.platform !== 'win32',
    env: { ...process.env, GIT_TERMINAL_PROMPT: '0', ...env },
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  } as const
  return execFileSync('git', ['-C', directory, ...args], { ...options, stdio: [...options.stdio] })
}

/** What git answers in one line, or undefined where it has no answer. */
export function gitAnswer(directory: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', ['-C', directory, ...args], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** Whether a repository begins there, and not above. */
export function isRepository(directory: string): boolean {
  const top = gitAnswer(directory, 'rev-parse', '--show-toplevel')
  return top !== undefined && realpathSync(top) === realpathSync(directory)
}

/** Paths that git separates by NUL. */
export const paths = (output: string) => output.split('\0').filter((path) => path !== '')

/** Files that differ from what is committed, those that git does not know among them. */
export function uncommitted(root: string): string[] {
  return paths(git(root, ['status', '--porcelain', '-z', '--untracked-files=all', '--no-renames'])).map((entry) =>
    entry.slice(3),
  )
}

export function listed(files: readonly string[]): string {
  const few = files.slice(0, 5).join(', ')
  return files.length > 5 ? `${few} and ${files.length - 5} more` : few
}
