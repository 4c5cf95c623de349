/** The images of a product with a domain split off, built as their Dockerfiles say, and started as containers would be: each has what its packages declare, and nothing else. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { roleUrls } from '@offshoot/data/migrate'
import { type Server, startServer } from '@offshoot/data/server'
import { databases, domains } from '@offshoot/gateway/domains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { costOf } from '../../check/budgets.ts'
import { installedClone } from '../clone.ts'
import { sh } from '../shell.ts'
import { build, type Image } from './dockerfile.ts'
import { Command, environment, freePort } from './product.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-images-'))
const domain = domains
  .map(({ name }) => name)
  .sort()
  .at(-1)!
const secret = 'a-secret-of-these-images-and-of-nothing-else'

let clone: string
let gateway: Image
let service: Image
let server: Server
/** What processes are told in production. */
let settings: Record<string, string>
let ports: { public: number; gateway: number; service: number }
const running: Command[] = []

beforeAll(async () => {
  clone = await installedClone(directory)
  await sh(clone, `npm run -s extract ${domain} && git add -A`)
  gateway = await build(clone, 'Dockerfile', join(directory, 'gateway'))
  service = await build(clone, `apps/${domain}/Dockerfile`, join(directory, 'service'))
  server = await startServer({ dataDir: join(directory, 'server'), durable: false, port: await freePort() })
  ports = { public: await freePort(), gateway: await freePort(), service: await freePort() }
  settings = {
    APP_SECRET: secret,
    PUBLIC_URL: 'https://shop.example.com',
    GATEWAY_URL: `http://127.0.0.1:${ports.gateway}`,
    [`${domain.toUpperCase()}_URL`]: `http://127.0.0.1:${ports.service}`,
    ...Object.fromEntries(
      databases.map((name) => [`${name.toUpperCase()}_DATABASE_URL`, roleUrls(server.url, name, secret).serving]),
    ),
  }
}, 600_000)
afterAll(async () => {
  await Promise.all(running.map((command) => command.kill()))
  await server?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const told = (image: Image, more: object) =>
  environment({ ...image.env, ...settings, DATA_DIR: image.directory, ...more })

function start(image: Image, more: object): Command {
  const [, ...args] = image.command
  const command = new Command(process.execPath, args, told(image, more), image.directory)
  running.push(command)
  return command
}

/** The exit code of what Docker asks a container now and then. */
const health = (image: Image, more: object) =>
  spawnSync(process.execPath, image.healthcheck.slice(1), { cwd: image.directory, env: told(image, more) }).status

describe('images', () => {
  it('hold as much as their budgets count', async () => {
    const published = (image: Image) =>
      readdirSync(join(image.directory, 'node_modules/.pnpm')).filter((name) => name.includes('@')).length
    expect(published(gateway)).toBe((await costOf(clone, 'gateway', ['scripts'])).packages)
  })

  it('of a service hold no other domain than it needs', () => {
    const held = (image: Image, folder: string) => readdirSync(join(image.directory, folder)).sort()
    expect(held(service, 'apps')).toEqual([domain])
    expect(held(gateway, 'apps')).toEqual(['gateway'])
    expect(held(gateway, 'packages/domains')).toEqual(domains.map(({ name }) => name).sort())
  })

  it('migrate, start, find each other and are well', async () => {
    const migrated = spawnSync(process.execPath, ['scripts/db.ts', 'migrate'], {
      cwd: gateway.directory,
      env: told(gateway, { DATABASE_URL: server.url }),
      encoding: 'utf8',
    })
    expect(migrated.stdout, migrated.stderr).toMatch(/^Applied \d+ migrations/m)

    const own = { INTERNAL_PORT: String(ports.service) }
    const edge = { PORT: String(ports.public), INTERNAL_PORT: String(ports.gateway) }
    expect([health(gateway, edge), health(service, own)]).toEqual([1, 1])
    await Promise.all([start(service, own).ready(), start(gateway, edge).ready()])
    expect([health(gateway, edge), health(service, own)]).toEqual([0, 0])
    for (const port of [ports.public, ports.service])
      await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
  })

  it.each(['prisma', 'vitest', '@offshoot/scripts'])(
    'do not start with %s, which no app declares for what runs',
    async (name) => {
      const file = join(service.directory, 'packages/platform/host/src/process.ts')
      const text = readFileSync(file, 'utf8')
      appendFileSync(file, `import '${name}'\n`)
      const command = start(service, { INTERNAL_PORT: String(await freePort()) })
      expect(await command.ended).toBe(1)
      expect(command.err).toContain(`Cannot find package '${name}'`)
      writeFileSync(file, text)
    },
  )
})
