/** `npm run flags [-- --import]`: the product's flags, how they stand, who owns them and how long they may live. */
import { ConfigError, readEnvironment } from '@offshoot/config'
import { flagRegistry, isStale, startFlags } from '@offshoot/flags/runtime'
import { loadFlagsConfig } from '@offshoot/gateway/config'
import { domains } from '@offshoot/gateway/domains'
import { root } from './database.ts'
import { importFlags } from './unleash/import.ts'

const USAGE = `Usage:
  npm run flags                   lists the flags, as the server of UNLEASH_URL says they stand, or else at their defaults
  npm run flags -- --import       tells that server of the flags that it does not know, with the admin token UNLEASH_ADMIN_TOKEN`

async function main(args: string[]): Promise<number> {
  const env = readEnvironment(root)
  const config = loadFlagsConfig(env)
  const registry = flagRegistry(domains)
  if (args.length === 1 && args[0] === '--import') {
    const token = env.UNLEASH_ADMIN_TOKEN
    if (!config.unleash || !token)
      throw new ConfigError(['UNLEASH_URL, UNLEASH_TOKEN and UNLEASH_ADMIN_TOKEN: must be set'])
    const added = await importFlags(registry.values(), { api: config.unleash.url, token })
    console.log(added.length === 0 ? 'The server knows every flag.' : `Imported: ${added.join(', ')}.`)
    return 0
  }
  if (args.length > 0) throw new ConfigError([USAGE])

  const log = { info() {}, warn() {} }
  const flags = startFlags({ registry, server: config.unleash, environment: config.flagsEnvironment, log })
  if (config.unleash) await firstOutcome(flags)
  const { source, reason } = flags.health()
  const today = new Date()
  const day = today.toISOString().slice(0, 10)
  const rows = [...registry.values()].map((flag) => [
    flag.key,
    flag.kind,
    stateOf(flags.state(flag), source),
    flag.owner,
    `${Math.max(0, Math.floor((today.getTime() - Date.parse(flag.since)) / 86_400_000))} d`,
    flag.expires === null ? 'stays' : `${isStale(flag, day) ? 'STALE since' : 'until'} ${flag.expires}`,
  ])
  flags.stop()
  const table = [['flag', 'kind', 'state', 'owner', 'age', 'lifetime'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  for (const row of table)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
  console.log(
    source === 'server'
      ? '\nAs the Unleash server says.'
      : `\nAt their defaults${reason ? `: the Unleash server ${reason}` : '; UNLEASH_URL is not set'}.`,
  )
  return 0
}

type State = {
  enabled: boolean
  strategies: readonly { name: string; parameters?: object | null; constraints?: readonly unknown[] | null }[]
}

/** `on`, `off`, `on for 25 %`, `on for some`. */
function stateOf(state: State | undefined, source: string): string {
  if (!state) return source === 'server' ? 'not on the server' : 'default'
  if (!state.enabled) return 'off'
  const [first, ...rest] = state.strategies
  if (!first) return 'on'
  if (rest.length > 0 || first.constraints?.length) return 'on for some'
  const { rollout = '100' } = (first.parameters ?? {}) as { rollout?: string }
  return String(rollout) === '100' ? 'on' : `on for ${rollout} %`
}

/** A server that says nothing for five seconds is not waited for any longer. */
async function firstOutcome(flags: ReturnType<typeof startFlags>): Promise<void> {
  const end = Date.now() + 5_000
  while (Date.now() < end) {
    const { source, reason } = flags.health()
    if (source === 'server' || (reason && reason !== 'does not answer')) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(error instanceof ConfigError ? error.message : error)
    process.exit(1)
  },
)
