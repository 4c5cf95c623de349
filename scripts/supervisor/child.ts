/** A process of the product. It ends with this one: by signal, or by itself when the IPC channel between them closes. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Environment } from '@offshoot/config'

/**
 * How V8 keeps its heap: new objects in 3 × 16 MB rather than 3 × 64 (in 3 × 8 it would work up to a fifth more), and old ones collected when they have
 * grown by 30 % rather than fourfold. On a machine with much memory it would take twice as much of it, for some percent of speed (`npm run bench memory`).
 * The Dockerfile says the same.
 */
const HEAP = ['--max-semi-space-size=16', '--heap-growing-percent=30']

export interface ChildOptions {
  name: string
  /** The program's file. */
  main: string
  args?: string[]
  cwd?: string
  /** What to load before {@link Child.go}: a module of the program, or (`packages`) the npm packages that it uses. */
  warm?: string | 'packages'
  /** Whether it is an app, which tells what it does; other programs have nothing to tell. */
  app?: boolean
  env: Environment
}

export class Child {
  readonly name: string
  /** Settles when the process has ended, with a sentence about how. */
  readonly ended: Promise<string>
  readonly #process: ChildProcess

  constructor({ name, main, args = [], cwd, warm, app = false, env }: ChildOptions) {
    this.name = name
    const telemetry = app ? ['--import', import.meta.resolve('@offshoot/telemetry/register')] : []
    const warmth =
      warm === 'packages'
        ? { OFFSHOOT_WARM: join(import.meta.dirname, 'warm-packages.ts'), OFFSHOOT_WARM_FOR: main }
        : { OFFSHOOT_WARM: warm }
    this.#process = fork(main, args, {
      cwd,
      env: { ...env, ...warmth } as NodeJS.ProcessEnv,
      execArgv: [
        ...HEAP,
        '--experimental-import-meta-resolve',
        ...telemetry,
        '--import',
        join(import.meta.dirname, 'gate.ts'),
      ],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Out of reach of the terminal's Ctrl-C: the supervisor alone says when, and in which order, things stop.
      detached: process.platform !== 'win32',
    })
    this.ended = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(`could not be started: ${error.message}`))
      this.#process.once('exit', (code, signal) =>
        resolve(signal ? `was ended by ${signal}` : `ended with exit code ${code}`),
      )
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && this.#process.pid !== undefined
  }

  get succeeded(): boolean {
    return this.#process.exitCode === 0
  }

  /** Lets the program begin, with `env` added to its environment. */
  go(env: Environment): void {
    if (this.#process.connected) this.#process.send({ type: 'go', env }, () => {})
  }

  /** Adds `env` to the environment of a program that runs and looks there again. */
  tell(env: Environment): void {
    if (this.#process.connected) this.#process.send({ type: 'environment', env }, () => {})
  }

  /** The URL at which it serves, once it says so. Fails when it ends before, or takes too long. */
  ready(timeoutMs = 60_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`${this.name} is not ready after ${timeoutMs / 1000} s`)),
        timeoutMs,
      )
      this.#process.on('message', (message: { type?: string; url?: string }) => {
        if (message?.type !== 'ready' || !message.url) return
        clearTimeout(late)
        resolve(message.url)
      })
      this.ended.then((how) => {
        clearTimeout(late)
        reject(new Error(`${this.name} ${how}`))
      })
    })
  }

  /** Asks it to end, and insists after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    if (!this.alive) return
    this.#process.kill('SIGTERM')
    const insist = setTimeout(() => this.kill(), graceMs)
    await this.ended
    clearTimeout(insist)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
