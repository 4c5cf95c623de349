/** `npm run db:migrate`, `db:migration`, `db:reset` and `db:status`, on the configured database or the embedded one of this clone. */
import { ConfigError, readEnvironment } from '@offshoot/config'
import {
  createMigration,
  dropOrphan,
  type MigrateOptions,
  MigrationError,
  migrate,
  orphans,
  reset,
  status,
} from '@offshoot/data/migrate'
import { ServerError } from '@offshoot/data/server'
import { loadDatabaseConfig } from '@offshoot/gateway/config'
import { databases, domains } from '@offshoot/gateway/domains'
import { openDatabase, root } from './database.ts'

const USAGE = `Usage:
  npm run db:migrate                          applies what is pending
  npm run db:migration <domain> <name>        writes a migration from the change of the domain's schema.prisma
  npm run db:status                           says what is applied and pending, and what is wrong
  npm run db:drop <domain…> [-- --force]      deletes what domains have stored that the product no longer has;
                                              --force as below
  npm run db:reset [-- --force]               drops everything that the domains have stored, and migrates anew;
                                              --force also in production and on servers elsewhere`

class UsageError extends Error {}

const names = domains.map(({ name }) => name)
const schemas = domains.map(({ data }) => data)

/** Prints what it does, and says whether all is well. */
type Work = (options: MigrateOptions) => Promise<boolean>

/** Each reads its arguments before anything is started. */
const commands: Record<string, (args: string[]) => Work> = {
  migrate(args) {
    const quiet = args.length === 1 && args[0] === '--quiet'
    if (args.length > 0 && !quiet) throw new UsageError('db:migrate takes no argument.')
    return async (options) => {
      const applied = await migrate(options)
      if (!quiet) console.log(applied.length > 0 ? `Applied ${count(applied, 'migration')}.` : 'Nothing to apply.')
      return true
    }
  },

  migration([name, ...words]) {
    const domain = schemas.find((schema) => schema.name === name)
    if (!domain) throw new UsageError(`db:migration needs a domain: ${names.join(', ')}.`)
    const [migration, ...rest] = words
    if (!migration || rest.length > 0 || !/^[a-z0-9_]+$/.test(migration)) {
      throw new UsageError(
        'db:migration needs a name made of a-z, 0-9 and _, for example: npm run db:migration orders add_note',
      )
    }
    return async ({ adminUrl, adminUrls = {}, log }) => {
      const created = await createMigration({
        adminUrl: adminUrls[domain.name] ?? adminUrl,
        domain,
        name: migration,
        log,
      })
      if (!created)
        console.log(`${domain.name}: schema.prisma says what the migrations make already; nothing was written.`)
      for (const { message, rule } of created?.violations ?? []) console.error(`${message} [${rule}]`)
      return !created?.violations.length
    }
  },

  reset(args) {
    const force = args.length === 1 && args[0] === '--force'
    if (args.length > 0 && !force) throw new UsageError('db:reset takes no argument but --force.')
    return async (options) => {
      const applied = await reset({ ...options, force })
      console.log(`Dropped everything and applied ${count(applied, 'migration')}.`)
      return true
    }
  },

  drop(args) {
    const force = args.includes('--force')
    const removed = args.filter((argument) => argument !== '--force')
    if (removed.length === 0 || removed.some((name) => name.startsWith('-')))
      throw new UsageError('db:drop needs the names of domains that were removed.')
    return async (options) => {
      for (const name of removed) {
        await dropOrphan(name, { ...options, force })
        console.log(`${name}: dropped`)
      }
      return true
    }
  },

  status(args) {
    if (args.length > 0) throw new UsageError('db:status takes no argument.')
    return async (options) => {
      let well = true
      for (const { domain, applied, pending, problems } of await status(options)) {
        console.log(`${domain.padEnd(16)}${applied.length} applied, ${pending.length} pending`)
        for (const name of pending) console.log(`  pending  ${name}`)
        for (const { code, message } of problems) console.log(`  ${code}  ${message}`)
        if (problems.length > 0) well = false
      }
      for (const name of await orphans(options))
        console.log(`${name.padEnd(16)}no domain any more; npm run db:drop ${name} deletes what it has stored`)
      return well
    }
  },
}

const count = (things: readonly unknown[], what: string) => `${things.length} ${what}${things.length === 1 ? '' : 's'}`

async function main([name = '', ...args]: string[]): Promise<boolean> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new UsageError(`There is no command 'db:${name}'.`)
  const work = command(args)
  const log = (line: string) => console.error(line)
  const env = readEnvironment(root)
  loadDatabaseConfig(env, databases) // What is wrong with it is said before anything is started.
  const database = await openDatabase(env, log)
  try {
    const {
      adminUrl = '',
      adminUrls,
      appSecret,
    } = loadDatabaseConfig({ ...env, DATABASE_URL: database.url }, databases)
    const reachable = schemas.filter((schema) => adminUrl || adminUrls[schema.name])
    if (reachable.length === 0)
      throw new ConfigError(['DATABASE_URL: must be set in production: the administrator of the database'])
    return await work({ domains: reachable, adminUrl, adminUrls, appSecret, log })
  } finally {
    await database.stop()
  }
}

// The supervisor runs this too, and must not leave it behind.
process.once('disconnect', () => process.exit(1))

try {
  process.exit((await main(process.argv.slice(2))) ? 0 : 1)
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`)
  else if (error instanceof ConfigError || error instanceof MigrationError || error instanceof ServerError)
    console.error(error.message)
  else console.error(error)
  process.exit(1)
}
