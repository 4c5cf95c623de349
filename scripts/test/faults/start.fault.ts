import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { roleUrls } from '@offshoot/data/migrate'
import { type Server, startServer } from '@offshoot/data/server'
import { databases } from '@offshoot/gateway/domains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Command, descendants, freePort, isRunning, occupy, signIn, start, temporary } from './product.ts'

// Two products run: one of `npm start`, with nothing but a port, on its embedded database; and one on a server of this file's own.
const secret = 'a-secret-of-these-tests-and-of-nothing-else'
let home: string
let port: number
let product: Command
let url: string

let server: Server
let serverPort: number
const serverHome = () => ({ dataDir: join(home, 'server'), durable: false, port: serverPort })
const onServer = (change: Partial<URL> = {}) => Object.assign(new URL(server.url), change).href
/** The product on that server. */
let served: Command

const commands: Command[] = []
function track(command: Command): Command {
  commands.push(command)
  return command
}

/** Starts what is expected not to come up, and tells what it said. */
async function refusal(
  settings: NodeJS.ProcessEnv,
  command = start({ DATA_DIR: join(home, randomUUID()), ...settings }),
) {
  const how = await track(command).ended
  expect(command.out).not.toMatch(/^ready/m)
  expect(how).toBe(1)
  return command.err
}

beforeAll(async () => {
  home = await temporary()
  port = await freePort()
  const settings = { DATA_DIR: join(home, 'embedded'), PORT: String(port) }
  product = track(new Command('npm', ['start'], settings))
  // The other one's database is down when it starts.
  serverPort = await freePort()
  server = await startServer(serverHome())
  await server.stop()
  served = track(
    start({
      DATA_DIR: join(home, 'served'),
      DATABASE_URL: server.url,
      APP_SECRET: secret,
      PORT: String(await freePort()),
    }),
  )
  url = await product.ready()
})

afterAll(async () => {
  await Promise.all(commands.map((command) => command.kill()))
  await server.stop()
  await rm(home, { recursive: true, force: true })
})

describe('a database', () => {
  let address: string

  it('that is down at the start is waited for', async () => {
    await expect.poll(() => served.err, { timeout: 10_000 }).toMatch('waiting for the database postgres at 127.0.0.1')
    expect(served.out).not.toMatch(/^ready/m)
    server = await startServer(serverHome())
    address = await served.ready()
  })

  it('that is restarted makes requests fail as UNAVAILABLE, and only as long as it is gone', async () => {
    const ask = await signIn(address, 'owner@acme.test')
    const list = () => ask('{ organization { slug } }')
    const before = await list()
    expect(before).toEqual({ data: { organization: { slug: 'acme' } } })

    await server.stop()
    const began = performance.now()
    for (let i = 0; i < 3; i++) {
      expect(await list()).toMatchObject({ errors: [{ extensions: { code: 'UNAVAILABLE' } }] })
    }
    const unready = await fetch(`${address}/readyz`)
    expect(unready.status).toBe(503)
    expect(await unready.json()).toMatchObject({ dependencies: { 'database:identity': 'down' } })
    expect((await fetch(`${address}/livez`)).status).toBe(200)
    expect(performance.now() - began).toBeLessThan(5_000)

    server = await startServer(serverHome())
    await expect.poll(list, { timeout: 5_000, interval: 50 }).toEqual(before)
    await expect.poll(async () => (await fetch(`${address}/readyz`)).status, { timeout: 5_000 }).toBe(200)
    expect(served.out.match(/^ready /gm)).toHaveLength(1)
  })

  it('has nothing to do with how the product ends: within 5 s of a Ctrl-C, without leaving a process', async () => {
    const before = served.err.length
    const { how, took, left } = await served.stop('SIGINT')
    expect({ how, left }).toEqual({ how: 0, left: [] })
    expect(took).toBeLessThan(5_000)
    expect(served.err.slice(before)).not.toMatch(/Error/)
  })

  const password = 'a-password-that-nobody-may-see'
  it.concurrent.each([
    [
      'the password is wrong',
      () => onServer({ password }),
      /postgres at 127\.0\.0\.1:\d+ refuses the user or the password/,
    ],
    ['it does not exist', () => onServer({ pathname: '/nowhere' }), /no database nowhere at 127\.0\.0\.1:\d+/],
    [
      'its host does not exist',
      () => `postgres://someone:${password}@nowhere.invalid/shop`,
      /host of the database shop at nowhere\.invalid:5432 can't be resolved/,
    ],
    ['its URL is malformed', () => `postgres ${password}`, /DATABASE_URL: must be postgres:/],
  ])('stops the start when %s', async (_, databaseUrl, sentence) => {
    const said = await refusal({ DATABASE_URL: databaseUrl() })
    expect(said).toMatch(sentence)
    expect(said).not.toContain(password)
    expect(said).not.toContain(new URL(server.url).password)
    expect(said).not.toMatch(/^ +at /m) // no stack
  })
})

describe('settings', () => {
  it('are refused all at once, before anything is made', async () => {
    const DATA_DIR = join(home, 'unmade')
    const said = await refusal({
      DATA_DIR,
      DATABASE_URL: 'mysql://root:hunter2@localhost/shop',
      PORT: '70000',
      LOG_LEVEL: 'loud',
      APP_SECRET: 'short',
    })
    for (const name of ['DATABASE_URL', 'PORT', 'LOG_LEVEL', 'APP_SECRET']) expect(said).toMatch(`  ${name}: must be`)
    expect(said).not.toMatch(/hunter2|short/)
    expect(existsSync(join(DATA_DIR, 'postgres'))).toBe(false)
  })

  it.concurrent.each([
    ['is a file', 'file', /there is a file in its place/],
    ['is where nothing can be made', '/proc/nowhere/data', /can't be made/],
  ])('are refused when the data directory %s', async (_, directory, sentence) => {
    await writeFile(join(home, 'file'), '')
    const DATA_DIR = resolve(home, directory)
    const said = await refusal({ DATA_DIR })
    expect(said).toMatch(`The data directory ${DATA_DIR} can't be`)
    expect(said).toMatch(sentence)
  })
})

describe('production', () => {
  const production = { NODE_ENV: 'production', HOST: '127.0.0.1' }

  it('refuses the defaults of development', async () => {
    const said = await refusal(production)
    for (const name of ['APP_SECRET', 'PUBLIC_URL', 'ORDERS_DATABASE_URL']) {
      expect(said).toMatch(`  ${name}: must be set in production`)
    }
  })

  it('serves without an administrator', async () => {
    const urls = databases.map((domain) => [
      `${domain.toUpperCase()}_DATABASE_URL`,
      roleUrls(server.url, domain, secret).serving,
    ])
    const command = track(
      start({
        ...production,
        ...Object.fromEntries(urls),
        APP_SECRET: secret,
        PUBLIC_URL: 'https://shop.example.com',
        PORT: String(await freePort()),
        DATA_DIR: join(home, 'production'),
      }),
    )
    const address = await command.ready()
    expect((await fetch(`${address}/readyz`)).status).toBe(200)
    expect(command.out).not.toMatch(/offshoot-demo-1/)
    expect((await fetch(`${address}/dev/mail`)).status).toBe(404)
    expect(await command.stop('SIGTERM')).toMatchObject({ how: 0, left: [] })
  })
})

describe('npm start', () => {
  it('says once where the product is ready, and serves there', async () => {
    expect(url).toBe(`http://localhost:${port}`)
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({ status: 'ready' })
    expect(product.out.match(/^ready /gm)).toHaveLength(1)
  })

  it('does not run the product of a data directory twice', async () => {
    const settings = { DATA_DIR: join(home, 'embedded'), PORT: String(await freePort()) }
    expect(await refusal(settings, start(settings))).toMatch(`runs already: ${url}`)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })

  it('refuses a port that was asked for and is taken, and leaves nothing running', async () => {
    const command = start({ DATA_DIR: join(home, 'other'), DATABASE_URL: server.url, PORT: String(port) })
    expect(await refusal({}, command)).toMatch(`Port ${port} on 127.0.0.1 is taken`)
  })

  it('recovers from losing all its processes at once, with everything that was answered', async () => {
    const ask = await signIn(url, 'owner@acme.test')
    const made = await ask(
      'mutation { createApiKey(input: { name: "before the crash", scopes: ["organization:read"] }) { apiKey { id } } }',
    )
    const { apiKey } = made.data.createApiKey
    const processes = descendants(product.pid)
    expect(processes.length).toBeGreaterThan(5) // npm's, the supervisor, the gateway, and those of PostgreSQL
    await product.kill()
    await expect.poll(() => processes.filter(isRunning), { timeout: 3_000 }).toEqual([])

    // No port is asked for this time, and the default one is taken, here or by somebody else.
    const squatter = await occupy(4000)
    product = track(new Command('npm', ['start'], { DATA_DIR: join(home, 'embedded') }))
    url = await product.ready()
    squatter?.close()
    expect(Number(new URL(url).port)).toBeGreaterThan(4000)

    const again = await signIn(url, 'owner@acme.test')
    const { data } = await again('{ organization { apiKeys { id } } }')
    expect(data.organization.apiKeys).toContainEqual(apiKey)
  })

  it('ends within 5 s of a SIGTERM to npm, and leaves no process', async () => {
    const { how, took, left } = await product.stop('SIGTERM')
    expect(left).toEqual([])
    expect(took).toBeLessThan(5_000)
    expect(product.out.match(/^ready /gm)).toHaveLength(1)
    expect(how).toBeOneOf([0, 'SIGTERM'])
  })
})

describe('a Node that is too old', () => {
  it('is told which one is needed, by the first step of every command', async () => {
    const old = `for (const [name, value] of [['version', 'v18.20.4'], ['versions', { ...process.versions, node: '18.20.4' }]])
      Object.defineProperty(process, name, { value })`
    const url = `data:text/javascript,${encodeURIComponent(old)}`
    const command = new Command(process.execPath, ['--import', url, 'scripts/setup.mjs'], {})
    expect(await refusal({}, command)).toBe(
      'Node 20 or newer is needed, to install what else is needed (the pinned Node too); this is v18.20.4.\n',
    )
  })
})
