/**
 * How long it takes until the product is ready: a first `npm start` in a fresh clone, with nothing in the caches of npm and pnpm, and
 * those that follow it. The clone has what is committed, and what is changed but not ignored.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Program } from './bench.ts'
import { freePort } from './gateway.ts'
import { median } from './rounds.ts'

const root = join(import.meta.dirname, '..')
const again = 5
const firstAtMost = 90
const againAtMost = 4

export const run: Program = async () => {
  const home = await mkdtemp(join(tmpdir(), 'offshoot-bench-'))
  try {
    const clone = join(home, 'clone')
    await copySources(clone)
    const env = await freshEnvironment(home)
    const first = await secondsUntilReady(clone, env)
    const others: number[] = []
    for (let i = 0; i < again; i++) others.push(await secondsUntilReady(clone, env))

    console.log('npm start, until it is ready.\n')
    console.log(`${first.toFixed(1).padStart(6)} s  in a fresh clone, with empty caches`)
    console.log(`${median(others).toFixed(1).padStart(6)} s  after that, the median of ${again}`)
    console.log()
    const targets = [
      { what: 'a first start', is: first, atMost: firstAtMost },
      { what: 'a second start', is: median(others), atMost: againAtMost },
    ]
    for (const { what, is, atMost } of targets) {
      console.log(`${is <= atMost ? 'met   ' : 'MISSED'}  ${what}: ${is.toFixed(1)} s, at most ${atMost} s`)
    }
    return targets.every(({ is, atMost }) => is <= atMost)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function copySources(clone: string): Promise<void> {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  const deleted = new Set(execFileSync('git', ['ls-files', '-z', '--deleted'], { cwd: root }).toString().split('\0'))
  for (const file of listed.toString().split('\0')) {
    if (file && !deleted.has(file)) await cp(join(root, file), join(clone, file))
  }
}

/** As on a machine where neither npm nor pnpm has run: caches and stores are of this run alone, registries and proxies as configured. */
async function freshEnvironment(home: string): Promise<NodeJS.ProcessEnv> {
  // What `npm run` and this workspace have put there would find the packages of this clone.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|INIT_CWD$|NODE_|TURBO_|DATABASE_URL$)/i.test(name),
  )
  const PATH = process.env.PATH!.split(':').filter((directory) => !directory.includes('node_modules'))
  return {
    ...Object.fromEntries(inherited),
    PATH: PATH.join(':'),
    PORT: String(await freePort()),
    npm_config_cache: join(home, 'npm'),
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_STATE_HOME: join(home, 'state'),
    TURBO_CACHE_DIR: join(home, 'turbo'),
  }
}

async function secondsUntilReady(clone: string, env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now()
  const product = spawn('npm', ['start'], { cwd: clone, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(product, 'exit')
  let said = ''
  product.stderr.on('data', (text) => {
    said += text
  })
  let took: number | undefined
  for await (const line of createInterface(product.stdout)) {
    said += `${line}\n`
    if (!line.startsWith('ready ')) continue
    took = (performance.now() - began) / 1_000
    product.kill('SIGTERM')
  }
  await exited
  if (took === undefined) throw new Error(`The product did not start:\n${said}`)
  return took
}
