/** `npm run unleash [-- --port <number>]`: a real Unleash server with this product's flags, until Ctrl-C. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigError, readEnvironment } from '@offshoot/config'
import { ServerError } from '@offshoot/data/server'
import { flagRegistry } from '@offshoot/flags/runtime'
import { loadDatabaseConfig } from '@offshoot/gateway/config'
import { databases, domains } from '@offshoot/gateway/domains'
import { dataDirectory, openDatabase, root } from './database.ts'
import { onInterrupt } from './run.ts'
import { importFlags } from './unleash/import.ts'
import { installUnleash, startUnleash } from './unleash/server.ts'

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '4242' } } })
  const port = Number(values.port)
  if (!(Number.isInteger(port) && port > 0 && port < 65_536)) throw new ConfigError(['--port: must be a port'])
  const env = readEnvironment(root)
  if (env.NODE_ENV === 'production')
    throw new ConfigError(['NODE_ENV: this server is for development; run Unleash of your own in production'])
  const { appSecret } = loadDatabaseConfig(env, databases)
  await installUnleash()
  // A PostgreSQL of its own where none is configured: it outlives neither the product nor the product it.
  const dataDir = join(dataDirectory(env), 'unleash')
  const database = await openDatabase({ ...env, DATA_DIR: dataDir }, (line) => console.error(line))
  let stop = () => database.stop()
  onInterrupt(() => stop())
  try {
    const server = await startUnleash({ adminUrl: database.url!, port, secret: appSecret })
    stop = async () => {
      await server.stop()
      await database.stop()
    }
    const { registry, added } = await register(server)
    console.log(`
Unleash      ${server.url}
sign in      ${server.admin.user} / ${server.admin.password}
flags        ${registry.size}, ${added.length === 0 ? 'all known to it' : `new to it: ${added.join(', ')}`}

Start the product with it:

  UNLEASH_URL=${server.api} UNLEASH_TOKEN=${server.tokens.development} npm start

Then switch a flag in the environment "development": there, or as the README does it, with

  UNLEASH=${server.url} ADMIN='${server.admin.token}'

Ctrl-C stops it.`)
    await new Promise<void>((resolve) => server.process.once('exit', () => resolve()))
    throw new Error('The Unleash server has ended.')
  } finally {
    await stop()
  }
}

async function register({ api, admin }: { api: string; admin: { token: string } }) {
  const registry = flagRegistry(domains)
  return { registry, added: await importFlags(registry.values(), { api, token: admin.token }) }
}

main().catch((error) => {
  console.error(error instanceof ConfigError || error instanceof ServerError ? error.message : error)
  process.exit(1)
})
