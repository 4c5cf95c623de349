/** The gateway with demo data, in a process of its own, as `npm start` starts it, on an embedded PostgreSQL of its own. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const root = join(import.meta.dirname, '..')

export interface Gateway {
  url: string
  /** Resident memory of its process, in MB. */
  memory(): number
  stop(): Promise<void>
}

/** `settings` are added to its environment. */
export async function startGateway(added: NodeJS.ProcessEnv = {}): Promise<Gateway> {
  const dataDir = await mkdtemp(join(tmpdir(), 'offshoot-bench-'))
  const { DATABASE_URL: _, ...inherited } = process.env
  const settings = { NODE_ENV: 'development', DATA_DIR: dataDir, PORT: String(await freePort()), LOG_LEVEL: 'fatal' }
  const product = spawn(process.execPath, ['scripts/start.ts'], {
    cwd: root,
    env: { ...inherited, ...settings, ...added },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(product, 'exit')
  async function stop() {
    product.kill()
    await exited
    await rm(dataDir, { recursive: true, force: true })
  }
  const lines = createInterface(product.stdout)
  for await (const line of lines) {
    const url = /^ready (\S+)$/.exec(line)?.[1]
    if (!url) continue
    const pid = childOf(product.pid!, 'apps/gateway/src/main.ts')
    return { url, memory: () => Number(ps('-o', 'rss=', '-p', pid)) / 1024, stop }
  }
  await stop()
  throw new Error('The gateway did not start.')
}

const ps = (...args: string[]) => execFileSync('ps', args, { encoding: 'utf8' })

/** The id of the process that `parent` started to run `main`. */
function childOf(parent: number, main: string): string {
  const child = ps('-A', '-o', 'pid=,ppid=,args=')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([, ppid, ...args]) => ppid === String(parent) && args.some((arg) => arg.endsWith(main)))
  if (!child) throw new Error(`No process runs ${main}.`)
  return child[0]!
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  return port
}
