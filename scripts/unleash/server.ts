/** A real Unleash server, from `infra/unleash`, for development and tests. It is a program of its own (AGPL): nothing of it is loaded into the product. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { root } from '../database.ts'
import { run } from '../run.ts'

const home = join(root, 'infra/unleash')
const stamp = join(home, 'node_modules/.installed')

/** Installs the server where it is not there as its lockfile says. */
export async function installUnleash(): Promise<void> {
  const wanted = createHash('sha256')
    .update(readFileSync(join(home, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.error('Installing the Unleash server into infra/unleash (200 MB); the first time takes a minute.')
  const npm = ['ci', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', home]
  const { code, output } = await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', npm, { quiet: true })
  if (code !== 0) throw new Error(`npm ${npm.join(' ')} failed:\n${output}`)
  writeFileSync(stamp, wanted)
}

export interface UnleashServer {
  /** What `UNLEASH_URL` is set to. */
  api: string
  /** Where people open it. */
  url: string
  /** What `UNLEASH_TOKEN` is set to, by environment. */
  tokens: { development: string; production: string }
  admin: { user: string; password: string; token: string }
  process: ChildProcess
  /** Ends it as a crash would. */
  kill(): Promise<void>
  stop(): Promise<void>
}

export interface UnleashOptions {
  /** The administrator of the PostgreSQL server in which it gets a database of its own. */
  adminUrl: string
  database?: string
  port: number
  /** What its password and tokens are derived from, so that they are the same each time. */
  secret: string
}

/** Starts it on 127.0.0.1 and waits until it answers. */
export async function startUnleash({
  adminUrl,
  database = 'unleash',
  port,
  secret,
}: UnleashOptions): Promise<UnleashServer> {
  const derived = (purpose: string) =>
    createHmac('sha256', secret).update(`unleash ${purpose}`).digest('hex').slice(0, 48)
  const databaseUrl = await ownDatabase(adminUrl, database)
  const url = `http://127.0.0.1:${port}`
  const tokens = {
    development: `default:development.${derived('development')}`,
    production: `default:production.${derived('production')}`,
  }
  const admin = { user: 'admin', password: derived('password').slice(0, 20), token: `*:*.${derived('admin')}` }
  const child = spawn(process.execPath, ['node_modules/unleash-server/dist/server.js'], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      DATABASE_SSL: 'false',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: String(port),
      UNLEASH_URL: url,
      UNLEASH_SECRET: derived('sessions'),
      UNLEASH_DEFAULT_ADMIN_USERNAME: admin.user,
      UNLEASH_DEFAULT_ADMIN_PASSWORD: admin.password,
      INIT_ADMIN_API_TOKENS: admin.token,
      INIT_BACKEND_API_TOKENS: Object.values(tokens).join(','),
      CHECK_VERSION: 'false',
      SEND_TELEMETRY: 'false',
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      output = `${output}${part}`.slice(-20_000)
    })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const end = (signal: NodeJS.Signals) => async () => {
    child.kill(signal)
    await ended
  }
  for (const deadline = Date.now() + 90_000; ; await sleep(100)) {
    if (child.exitCode !== null || child.signalCode) throw new Error(`The Unleash server ended:\n${output}`)
    const health = await fetch(`${url}/health`).catch(() => undefined)
    if (health?.ok) break
    if (Date.now() > deadline) {
      await end('SIGKILL')()
      throw new Error(`The Unleash server does not answer:\n${output}`)
    }
  }
  return { api: `${url}/api`, url, tokens, admin, process: child, kill: end('SIGKILL'), stop: end('SIGTERM') }
}

/** A database and a role that owns nothing else. Its password is new each time: nobody needs to keep it. */
async function ownDatabase(adminUrl: string, database: string): Promise<string> {
  const password = randomBytes(24).toString('hex')
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  try {
    const { rows } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [database])
    await client.query(`${rows.length > 0 ? 'ALTER' : 'CREATE'} ROLE "${database}" LOGIN PASSWORD '${password}'`)
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
    if (found.rows.length === 0) {
      await client.query(`CREATE DATABASE "${database}" OWNER "${database}"`)
      await client.query(`REVOKE CONNECT ON DATABASE "${database}" FROM PUBLIC`)
    }
  } finally {
    await client.end()
  }
  const url = new URL(adminUrl)
  url.username = database
  url.password = password
  url.pathname = `/${database}`
  return url.href
}
