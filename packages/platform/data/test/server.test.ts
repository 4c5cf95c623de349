import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { createServer, type Server as NetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ensureServer, type Server, type ServerOptions, startServer, waitForDatabase } from '../src/server/index.ts'

const root = mkdtempSync(join(tmpdir(), 'offshoot-server-'))
const children = new Set<ChildProcess>()
const servers = new Set<Server>()

afterEach(async () => {
  await Promise.all([...servers].map((server) => server.stop()))
  servers.clear()
  if (children.size === 0) return
  await Promise.all([...children].map(kill))
  children.clear()
  await expect.poll(() => existsSync(join(dataDir, 'postgres/data/postmaster.pid')), { timeout: 5_000 }).toBe(false)
})
afterAll(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

/** Of most tests, one after the other: each begins when no server runs. In a folder that nobody else may enter. */
const dataDir = join(root, 'data')

async function started(options: Partial<ServerOptions> = {}): Promise<Server> {
  const server = await ensureServer({ dataDir, durable: false, ...options })
  servers.add(server)
  return server
}

/** The same in a process of its own, which may be killed. */
async function startedElsewhere(
  options: Partial<ServerOptions> = {},
): Promise<{ child: ChildProcess; url: string; attached: boolean }> {
  const module = new URL('../src/server/index.ts', import.meta.url).href
  const program = `
    const { ensureServer } = await import(${JSON.stringify(module)})
    const { url, attached, stop } = await ensureServer(JSON.parse(process.argv[1]))
    process.stdin.on('end', stop).resume()
    console.log(JSON.stringify({ url, attached }))`
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', program, JSON.stringify({ dataDir, durable: false, ...options })],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  children.add(child)
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (chunk) => resolve(String(chunk)))
    child.once('exit', (code) => reject(new Error(`exited with ${code}`)))
  })
  return { child, ...JSON.parse(line) }
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const postmasterOf = (directory = dataDir) =>
  Number(readFileSync(join(directory, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])

async function ended(pid: number): Promise<void> {
  const running = () => {
    try {
      process.kill(pid, 0)
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]![0] !== 'Z'
    } catch {
      return false
    }
  }
  await expect.poll(running, { timeout: 3_000, interval: 20 }).toBe(false)
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
}

/** The shell that stops the server when its owner dies. */
function watcherOf(postmaster: number): number {
  const isWatcher = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`offshoot-postgres-watcher\0${postmaster}\0`)
    } catch {
      return false
    }
  }
  return Number(readdirSync('/proc').find((name) => /^\d+$/.test(name) && isWatcher(name)))
}

beforeAll(async () => {
  const server = await started()
  await query(server.url, 'CREATE TABLE kept (value int)')
  await server.stop()
})

describe('the embedded server', () => {
  it('is PostgreSQL 18 for this machine only, with a password that only its owner can read', async () => {
    const { url } = await started()
    const [settings] = await query(
      url,
      `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('wal_level') AS wal,
        current_setting('listen_addresses') AS addresses, current_setting('max_connections') AS connections`,
    )
    expect(settings).toEqual({ major: 18, wal: 'logical', addresses: '127.0.0.1', connections: '1000' })
    const password = join(dataDir, 'postgres/password')
    expect(statSync(password).mode & 0o777).toBe(0o600)
    expect(new URL(url).password).toBe(readFileSync(password, 'utf8'))
    const stranger = Object.assign(new URL(url), { password: '' })
    await expect(query(stranger.href, 'SELECT 1')).rejects.toThrow(/password/)
  })

  it('keeps data and port from one start to the next', async () => {
    const first = await started()
    await query(first.url, 'INSERT INTO kept VALUES (1)')
    await first.stop()
    const second = await started()
    expect(second.url).toBe(first.url)
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }])
  })

  it('leaves no process and no connection behind, and stops but once', async () => {
    const server = await started()
    const postmaster = postmasterOf()
    const watcher = watcherOf(postmaster)
    const idle = new pg.Client(server.url)
    idle.on('error', () => {})
    await idle.connect()
    const begun = Date.now()
    await Promise.all([server.stop(), server.stop()])
    expect(Date.now() - begun).toBeLessThan(3_000)
    await Promise.all([postmaster, watcher].map(ended))
    expect(readdirSync(dataDir)).toEqual(['postgres'])
  })

  it('takes the next port when its own was taken meanwhile, and says so', async () => {
    const first = await started()
    await first.stop()
    const squatter = await listen(Number(new URL(first.url).port))
    const said: string[] = []
    const { url } = await started({ log: (line) => said.push(line) })
    squatter.close()
    expect(Number(new URL(url).port)).toBeGreaterThan(Number(new URL(first.url).port))
    expect(said.join()).toMatch(/is taken/)
  })

  it('refuses a port that was asked for and is taken', async () => {
    const squatter = await listen(0)
    const { port } = squatter.address() as { port: number }
    await expect(started({ port })).rejects.toMatchObject({ code: 'PORT_TAKEN' })
    squatter.close()
  })
})

describe('commands of one clone', () => {
  it('share the server: who started it stops it, the others are attached', async () => {
    const { child, url } = await startedElsewhere()
    const attached = await started()
    expect(attached).toMatchObject({ url, attached: true })
    await attached.stop()
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await expect(startServer({ dataDir })).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
    const postmaster = postmasterOf()
    child.stdin!.end()
    await ended(postmaster)
  })

  it('make and start it once, when several begin at the same time', async () => {
    const directory = await mkdtemp(join(root, 'new-'))
    const all = await Promise.all([1, 2, 3].map(() => startedElsewhere({ dataDir: directory })))
    expect(new Set(all.map(({ url }) => url)).size).toBe(1)
    expect(all.filter(({ attached }) => !attached)).toHaveLength(1)
    expect(readdirSync(directory)).toEqual(['postgres'])
  })

  it('never take the server of another clone for their own, not even in a copy of it', async () => {
    const copy = await mkdtemp(join(root, 'copy-'))
    await cp(dataDir, copy, { recursive: true })
    const original = await started()
    await cp(join(dataDir, 'postgres/data/postmaster.pid'), join(copy, 'postgres/data/postmaster.pid'))
    const other = await started({ dataDir: copy })
    expect(other.attached).toBe(false)
    await query(other.url, 'CREATE TABLE copied ()')
    expect(await query(original.url, "SELECT to_regclass('copied') AS found")).toEqual([{ found: null }])
  })
})

describe.skipIf(process.platform !== 'linux')('after kill -9', () => {
  it('of the process that started it, the server stops as well', async () => {
    const { child } = await startedElsewhere()
    const postmaster = postmasterOf()
    await kill(child)
    await ended(postmaster)
  })

  it('of everything but the server, the next command adopts it and stops it', async () => {
    const { child, url } = await startedElsewhere()
    const postmaster = postmasterOf()
    process.kill(watcherOf(postmaster), 'SIGKILL')
    await kill(child)
    const adopted = await started()
    expect(adopted).toMatchObject({ url, attached: false })
    expect(postmasterOf()).toBe(postmaster)
    await adopted.stop()
    await ended(postmaster)
  })

  it('of everything, the next start recovers what was committed', async () => {
    const { child, url } = await startedElsewhere({ durable: true })
    await query(url, 'TRUNCATE kept')
    await query(url, 'INSERT INTO kept VALUES (4)')
    const postmaster = postmasterOf()
    process.kill(watcherOf(postmaster), 'SIGKILL')
    process.kill(postmaster, 'SIGKILL')
    await kill(child)
    const { url: again } = await started()
    expect(await query(again, 'SELECT value FROM kept')).toEqual([{ value: 4 }])
  })

  it('of the server alone, its owner starts it again where it was', async () => {
    const { url } = await started()
    const killed = postmasterOf()
    process.kill(killed, 'SIGKILL')
    await ended(killed)
    await waitForDatabase(url, { timeoutMs: 10_000 })
    expect(postmasterOf()).not.toBe(killed)
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('in the middle of an initialisation, the next start begins it anew', async () => {
    const directory = await mkdtemp(join(root, 'interrupted-'))
    const drafts = () => readdirSync(directory).filter((name) => name.startsWith('postgres.new-'))
    const child = startedElsewhere({ dataDir: directory }).catch(() => {})
    await expect.poll(() => existsSync(join(directory, `${drafts()}/data/PG_VERSION`)), { timeout: 5_000 }).toBe(true)
    for (const running of children) running.kill('SIGKILL')
    await child
    expect(existsSync(join(directory, 'postgres'))).toBe(false)
    const { url } = await started({ dataDir: directory })
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(drafts()).toEqual([])
  })
})

describe('a data directory that cannot be used', () => {
  it('because there is a file in its place, or on the way to it', async () => {
    const file = join(root, 'file')
    await writeFile(file, '')
    await expect(started({ dataDir: file })).rejects.toMatchObject({
      code: 'NOT_A_DIRECTORY',
      message: expect.stringContaining(file),
    })
    await expect(started({ dataDir: join(file, 'data') })).rejects.toMatchObject({ code: 'NOT_A_DIRECTORY' })
  })

  if (process.platform === 'linux') {
    it('because there is no place for it', async () => {
      const dataDir = '/proc/nowhere/data'
      await expect(started({ dataDir })).rejects.toMatchObject({
        code: 'NOT_PERMITTED',
        message: expect.stringContaining(dataDir),
      })
    })
  }

  it('because another version of PostgreSQL made it', async () => {
    const directory = await mkdtemp(join(root, 'older-'))
    await mkdir(join(directory, 'postgres/data'), { recursive: true })
    await writeFile(join(directory, 'postgres/data/PG_VERSION'), '15\n')
    await expect(started({ dataDir: directory })).rejects.toMatchObject({ code: 'OTHER_VERSION' })
  })

  it('because it holds something else', async () => {
    const directory = await mkdtemp(join(root, 'other-'))
    await mkdir(join(directory, 'postgres'))
    await expect(started({ dataDir: directory })).rejects.toMatchObject({ code: 'NOT_A_CLUSTER' })
  })

  // Root may write anywhere.
  if (process.getuid?.() !== 0) {
    it('because it may not be written', async () => {
      const directory = await mkdtemp(join(root, 'sealed-'))
      await chmod(directory, 0o500)
      await expect(started({ dataDir: directory })).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    })
  }
})

describe('waiting for a database', () => {
  const secret = 'a-password-that-nobody-may-see'
  let server: Server
  beforeAll(async () => {
    server = await startServer({ dataDir, durable: false })
  })
  afterAll(() => server.stop())

  const at = (change: Partial<URL>) => Object.assign(new URL(server.url), { password: secret }, change).href
  const failure = (url: string, timeoutMs = 5_000) =>
    waitForDatabase(url, { timeoutMs }).then(
      () => undefined,
      (error) => error,
    )

  it('ends as soon as it answers', () => waitForDatabase(server.url, { timeoutMs: 1_000 }))

  it('ends with an error when the time is over', async () => {
    const squatter = await listen(0)
    const { port } = squatter.address() as { port: number }
    await new Promise((resolve) => squatter.close(resolve))
    const error = await failure(`postgres://someone:${secret}@127.0.0.1:${port}/shop`, 300)
    expect(error).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining(`shop at 127.0.0.1:${port}`) })
    expect(error.message).not.toContain(secret)
  })

  it.each([
    ['a wrong password', () => at({}), 'AUTHENTICATION_FAILED'],
    ['an unknown user', () => at({ username: 'nobody' }), 'AUTHENTICATION_FAILED'],
    [
      'an unknown database',
      () => Object.assign(new URL(server.url), { pathname: '/nowhere' }).href,
      'UNKNOWN_DATABASE',
    ],
    ['an unknown host', () => at({ hostname: 'nowhere.invalid' }), 'UNKNOWN_HOST'],
    ['a URL of something else', () => `http://someone:${secret}@127.0.0.1/`, 'MALFORMED_URL'],
    ['no URL at all', () => `postgres ${secret}`, 'MALFORMED_URL'],
  ])('fails at once for %s', async (_, url, code) => {
    const begun = Date.now()
    const error = await failure(url())
    expect(error).toMatchObject({ code })
    expect(error.message).not.toContain(secret)
    expect(Date.now() - begun).toBeLessThan(10_000) // of the thirty seconds that others are waited for
  })

  it('goes on while nobody listens, and says so once', async () => {
    await server.stop()
    const said: string[] = []
    const waiting = waitForDatabase(server.url, { timeoutMs: 10_000, log: (line) => said.push(line) })
    await sleep(300)
    await started()
    await waiting
    expect(said).toEqual([
      expect.stringMatching(/waiting for the database postgres at 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/),
    ])
  })
})

async function listen(port: number): Promise<NetServer> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}
