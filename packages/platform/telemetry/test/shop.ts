import { spawn } from 'node:child_process'
import { join } from 'node:path'

const register = join(import.meta.dirname, '../src/register.ts')
const program = join(import.meta.dirname, 'programs/shop.ts')

export interface Shop {
  url: string
  /** SIGTERM; answers how long its end took, in ms. */
  stop(): Promise<number>
  output(): string
}

export type Ended = { code: number | null; output: string }

/** A process with telemetry as `env` says. Rejects with what it printed when it ends before it serves. */
export async function openShop(env: Record<string, string>, { before = [] as string[] } = {}): Promise<Shop> {
  const { child, ended, output } = run(env, before)
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message.port))
    void ended.then(({ code }) => reject(new Error(`ended with ${code}: ${output()}`)))
  })
  return {
    url: `http://127.0.0.1:${port}`,
    output,
    async stop() {
      const started = performance.now()
      child.kill('SIGTERM')
      await ended
      return performance.now() - started
    },
  }
}

/** A process that should end by itself. */
export const endOf = (env: Record<string, string>, before: string[] = []): Promise<Ended> => run(env, before).ended

function run(env: Record<string, string>, before: string[]) {
  const { PATH = '', TEST_DATABASE_URL = '' } = process.env
  const imports = [...before, register].flatMap((module) => ['--import', module])
  const child = spawn(process.execPath, [...imports, program], {
    env: { PATH, TEST_DATABASE_URL, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let text = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, output: text })))
  return { child, ended, output: () => text }
}
