/** `npm run move-data <domain> --to <database url>`, `--back` and `--purge`: a domain's data go to another database while they are in use, and come back. */
import { parseArgs } from 'node:util'
import { ConfigError, readEnvironment } from '@offshoot/config'
import { MigrationError } from '@offshoot/data/migrate'
import {
  MoveError,
  type MoveOptions,
  moveBack,
  moveData,
  type Outcome,
  type Progress,
  purgeMove,
} from '@offshoot/data/move'
import { ServerError } from '@offshoot/data/server'
import { loadDatabaseConfig } from '@offshoot/gateway/config'
import { databases, domains } from '@offshoot/gateway/domains'
import { openDatabase, root } from './database.ts'

const USAGE = `Usage:
  npm run move-data <domain> --to <database url>   moves its data there, while they are in use; the same again goes on after a crash
  npm run move-data <domain> --back                takes that back, with what was written since
  npm run move-data <domain> --purge               deletes what was left behind; after that there is no way back
The URL is an administrator's. Where settings do not name both databases, --back and --purge need --to as well.`

class UsageError extends Error {}

/** npm takes options without `--` before them for its own: 11 takes `--to` for the one that begins so, others for one that they do not know. */
function takenByNpm({ env }: NodeJS.Process) {
  return {
    to: env.npm_config_to ?? env.npm_config_token_description,
    back: env.npm_config_back === 'true' || undefined,
    purge: env.npm_config_purge === 'true' || undefined,
  }
}

function parse(args: string[]) {
  try {
    const { positionals, values } = parseArgs({
      args,
      allowPositionals: true,
      options: { to: { type: 'string' }, back: { type: 'boolean' }, purge: { type: 'boolean' } },
    })
    return { positionals, values: { ...takenByNpm(process), ...values } }
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\. To specify .*/s, '.'))
  }
}

function read(args: string[]) {
  const { positionals, values } = parse(args)
  const { to, back, purge } = values
  const [name, ...rest] = positionals
  const domain = domains.find((one) => one.name === name)
  if (!domain || rest.length > 0)
    throw new UsageError(
      `${name ? `There is no domain '${positionals.join(' ')}'` : 'Which domain?'} [UNKNOWN_DOMAIN]: ${domains.map(({ name }) => name).join(', ')}.`,
    )
  if (back && purge) throw new UsageError('Either --back or --purge.')
  if (to === undefined && !back && !purge) throw new UsageError('Where to? --to <database url>')
  if (to !== undefined && !(URL.canParse(to) && /^postgres(ql)?:$/.test(new URL(to).protocol)))
    throw new UsageError('--to is a URL: postgres://user:password@host:port/database')
  return { domain, to, what: back ? 'back' : purge ? 'purge' : ('move' as const) }
}

/** One line that is written over on a terminal, and at most one in two seconds elsewhere. */
function reporter(): (progress: Progress) => void {
  const { stdout } = process
  let last = 0
  let open = false
  return ({ step, text, passing = false }) => {
    const line = `${step.padEnd(8)} ${text}`
    if (stdout.isTTY) {
      stdout.write(`${open ? '\r\x1b[2K' : ''}${passing ? line.slice(0, stdout.columns - 1) : `${line}\n`}`)
      open = passing
    } else if (!passing || Date.now() - last > 2_000) {
      console.log(line)
      last = Date.now()
    }
  }
}

function nextSteps(name: string, { place }: Outcome, to: string | undefined): string {
  const setting = name.toUpperCase()
  const administrator = to ? `the URL that you gave (${place.url})` : `${place.url} with its administrator`
  return `Running processes have gone over. Before the old database goes away, and for processes that start from now on, set
  ${setting}_ADMIN_DATABASE_URL   ${administrator}
or, where no administrator's URL is configured,
  ${setting}_DATABASE_URL         ${place.url} as ${place.serving}
Back, with what was written since: npm run move-data ${name} --back
For good, once nobody will want to go back: npm run move-data ${name} --purge`
}

async function main(args: string[]): Promise<void> {
  const { domain, to, what } = read(args)
  const { name } = domain
  const env = readEnvironment(root)
  loadDatabaseConfig(env, databases) // What is wrong with it is said before anything is started.
  const database = await openDatabase(env, (line) => console.error(line))
  try {
    const { adminUrl, adminUrls, appSecret } = loadDatabaseConfig({ ...env, DATABASE_URL: database.url }, databases)
    const known = [adminUrls[name], adminUrl].filter((url) => url !== undefined)
    if (known.length === 0)
      throw new ConfigError([
        `DATABASE_URL: must be set, or ${name.toUpperCase()}_ADMIN_DATABASE_URL: the administrator of ${name}'s database`,
      ])
    const options: MoveOptions = { domain: domain.data, to, known, appSecret, report: reporter() }
    if (what === 'purge') return await purgeMove(options)
    const outcome = await (what === 'back' ? moveBack(options) : moveData(options))
    if (outcome.fence !== undefined)
      console.log(`\n${name} is in ${outcome.place.url}. Writers waited for ${Math.round(outcome.fence)} ms.`)
    console.log(
      what === 'move'
        ? nextSteps(name, outcome, to)
        : `Settings name that database again: ${outcome.place.url}. What is left in the other one: npm run move-data ${name} --purge`,
    )
  } finally {
    await database.stop()
  }
}

try {
  await main(process.argv.slice(2))
  process.exit(0)
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`)
  else if ([ConfigError, MigrationError, MoveError, ServerError].some((kind) => error instanceof kind))
    console.error((error as Error).message)
  else console.error(error)
  process.exit(error instanceof UsageError ? 2 : 1)
}
