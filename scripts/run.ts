import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { root } from './database.ts'
import { Refusal } from './refusal.ts'

/** Where Node keeps what it has compiled, for all processes of this clone: most of them load the same. */
export const NODE_COMPILE_CACHE = join(root, 'node_modules/.cache/node-compile')

export interface Ended {
  code: number
  /** What it printed, where it was not shown. */
  output: string
}

/** Programs that run now, each the leader of a process group. */
const running = new Set<number>()

/**
 * Runs a program of the workspace to its end. Shows what it prints, or keeps it (`quiet`). When this process is told to stop, the
 * program and all that it started stop too.
 */
export function run(
  command: string,
  args: readonly string[],
  { env = {}, quiet = false, cwd = root } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', ...env },
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
      detached: process.platform !== 'win32',
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (part: string) => {
        output += part
      })
    }
    if (child.pid) running.add(child.pid)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      running.delete(child.pid!)
      resolve({ code: code ?? 128 + constants.signals[signal!], output })
    })
  })
}

/** Installs what packages depend on by now. The lockfile may change, in CI too: that is what is asked for. Refuses with NOT_INSTALLED; `unless` says what has become of the change then. */
export async function installPackages(unless: string, env: Record<string, string> = {}): Promise<void> {
  const { code, output } = await run('node', ['scripts/setup.mjs'], { quiet: true, env: { CI: '', ...env } })
  if (code !== 0) throw new Refusal('NOT_INSTALLED', `The packages cannot be installed; ${unless}.\n${output}`)
}

/** On Ctrl-C and SIGTERM: ends the programs that run, then does `last`, then exits. */
export function onInterrupt(last: () => Promise<void>): void {
  let interrupted = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, async () => {
      if (interrupted) return
      interrupted = true
      for (const pid of running) {
        try {
          process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
        } catch {} // It has just ended.
      }
      await last()
      process.exit(128 + constants.signals[signal])
    })
  }
}
