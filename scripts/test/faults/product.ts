/** The product as a user starts it: processes, what they print, and what they answer. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { root } from '../../database.ts'
import { freePort as freePortFrom } from '../../supervisor/free-port.ts'

export const temporary = () => mkdtemp(join(tmpdir(), 'offshoot-start-'))

/** Settings of this test run that the product must not see. */
const IGNORED = /^(VITEST|TEST_|NODE_ENV$|NODE_OPTIONS$|PORT$|HOST$|OFFSHOOT_|npm_)|DATABASE_URL$/

export function environment(settings: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const mine = Object.entries(process.env).filter(([name]) => !IGNORED.test(name))
  return { ...Object.fromEntries(mine), LOG_LEVEL: 'error', ...settings }
}

export class Command {
  out = ''
  err = ''
  readonly process: ChildProcess
  readonly ended: Promise<number | NodeJS.Signals>

  constructor(command: string, args: string[], settings: NodeJS.ProcessEnv, cwd = root) {
    this.process = spawn(command, args, {
      cwd,
      env: environment(settings),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a signal to its group reaches nothing of ours
    })
    this.process.stdout!.setEncoding('utf8').on('data', (text) => {
      this.out += text
    })
    this.process.stderr!.setEncoding('utf8').on('data', (text) => {
      this.err += text
    })
    this.ended = new Promise((resolve) => {
      this.process.once('close', (code, signal) => resolve(code ?? signal!))
    })
  }

  get pid(): number {
    return this.process.pid!
  }

  /** The URL that it says it is ready at. */
  async ready(within = 25_000): Promise<string> {
    const ended = this.ended.then((how) => {
      throw new Error(`It ended (${how}):\n${this.out}${this.err}`)
    })
    const ready = vi.waitUntil(() => /^ready \S+$/m.test(this.out), { timeout: within, interval: 30 })
    await Promise.race([ready, ended])
    return /^ready (\S+)$/m.exec(this.out)![1]!
  }

  /** Sends a signal, and tells how it ended, after how many ms, and which of its processes were left. */
  async stop(signal: NodeJS.Signals): Promise<{ how: number | NodeJS.Signals; took: number; left: number[] }> {
    const all = [this.pid, ...descendants(this.pid)]
    const began = performance.now()
    this.process.kill(signal)
    const how = await this.ended
    return { how, took: performance.now() - began, left: all.filter(isRunning) }
  }

  /** Kills it and everything that it started, at once, as a machine that loses its power does. */
  async kill(): Promise<void> {
    const all = [this.pid, ...descendants(this.pid)]
    for (const pid of all) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {} // It went with another.
    }
    await this.ended
  }
}

export const start = (settings: NodeJS.ProcessEnv) => new Command(process.execPath, ['scripts/start.ts'], settings)

export function isRunning(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z')
  } catch {
    return false
  }
}

/** Processes that `pid` started, and those that they started. */
export function descendants(pid: number): number[] {
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const pairs = processes
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const below = (parent: number): number[] =>
    pairs.flatMap(([child, its]) => (its === parent ? [child!, ...below(child!)] : []))
  return below(pid)
}

/** Takes a port, or says that somebody has it. */
export async function occupy(port: number): Promise<Server | undefined> {
  const server = createServer()
  const taken = Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)])
  server.listen(port, '127.0.0.1')
  return (await taken) ? server : undefined
}

/** Below the ports that systems give to connections that are made: one of these could be taken between here and its use. */
export const freePort = () => freePortFrom(randomInt(10_000, 32_000), [])

interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: whatever was asked for
  data: any
  errors?: object[]
}

/** Somebody who is signed in. */
export async function signIn(url: string, email: string) {
  const { headers } = await fetch(`${url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: 'offshoot-demo-1' }),
  })
  const authorization = `Bearer ${headers.get('set-auth-token')}`
  return async (query: string, variables: object = {}): Promise<Answer> => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify({ query, variables }),
    })
    return response.json() as Promise<Answer>
  }
}
