/** The commands of `npm run events`. */
import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Environment } from '@offshoot/config'
import { openLanes } from '@offshoot/data'
import { openSystemPool, type SystemPool } from '@offshoot/data/system'
import {
  type DeadLetter,
  discardDeadLetter,
  domainOfDeadLetter,
  findDeadLetter,
  handlerLag,
  listDeadLetters,
  longestRebuild,
  newestFirst,
  outboxLag,
  rebuild,
  replayDeadLetter,
} from '@offshoot/events/runtime'
import { type GatewayConfig, loadGatewayConfig } from '@offshoot/gateway/config'
import { databases, domains } from '@offshoot/gateway/domains'
import { createLogger } from '@offshoot/host'
import { openDatabase, root } from './database.ts'
import { eventCatalog, handlersOf } from './event-catalog.ts'

const USAGE = `Usage:
  npm run events -- dead list [filters] [--limit 50]     events that a handler could not handle, the newest first
  npm run events -- dead show <id>                       one of them, with what it says
  npm run events -- dead replay <id> | --all [filters]   has it handled again, and what waits behind it
  npm run events -- dead discard <id>                    counts it as handled, and goes on with what waits behind it
  npm run events -- lag                                  how far outboxes and handlers are behind
  npm run events -- rebuild <domain> [--handler name]    builds projections again from history, while everybody goes on
  npm run events -- catalog [--write]                    all events, who emits and who handles them; --write: into docs/events.md

Filters: --domain name, --tenant slug-or-id, --handler name`

class UsageError extends Error {}

interface Session {
  print(line: string): void
  config: GatewayConfig
  log: ReturnType<typeof createLogger>
  /** Connections across the tenants of a domain; the use is logged before they are given. */
  system(domain: string): Promise<Awaited<ReturnType<SystemPool>>>
}

type Work = (session: Session) => Promise<void>

const filters = { domain: { type: 'string' }, tenant: { type: 'string' }, handler: { type: 'string' } } as const

const dead: Record<string, (args: string[]) => Work> = {
  list(args) {
    const { values, positionals } = parse(args, { ...filters, limit: { type: 'string', default: '50' } })
    none(positionals)
    const limit = Number(values.limit)
    if (!Number.isInteger(limit) || limit < 1) throw new UsageError('--limit is a whole number from 1.')
    const names = chosen(values.domain)
    return async (session) => {
      const tenant = values.tenant && (await tenantNamed(session, values.tenant))
      const found: DeadLetter[] = []
      for (const name of names)
        found.push(
          ...(await listDeadLetters(await session.system(name), name, {
            first: limit + 1,
            tenant,
            handler: values.handler,
          })),
        )
      const shown = found.sort(newestFirst).slice(0, limit)
      const slugs = await slugsOf(session, shown)
      for (const letter of shown) session.print(`${summary(letter, slugs)}\n`)
      if (shown.length === 0) session.print('No dead letters.')
      else
        session.print(
          found.length > limit ? `The newest ${limit}; more with --limit.` : count(shown.length, 'dead letter'),
        )
    }
  },

  show(args) {
    const [id, domain] = letterNamed(args)
    return async (session) => {
      const letter = await findDeadLetter(await session.system(domain), domain, id)
      if (!letter) throw new Error(`There is no dead letter ${id}: it may have been replayed or discarded.`)
      const { event, data } = letter
      session.print(summary(letter, await slugsOf(session, [letter])))
      session.print(
        `  event     ${event.id}, emitted ${event.time} by ${event.source}, number ${event.revision} of ${event.subject}`,
      )
      if (event.traceparent) session.print(`  trace     ${event.traceparent}`)
      session.print(`  data      ${JSON.stringify(data, null, 2).replaceAll('\n', '\n            ')}`)
    }
  },

  replay(args) {
    const { values, positionals } = parse(args, { ...filters, all: { type: 'boolean', default: false } })
    if (!values.all) {
      if (values.domain || values.tenant || values.handler) throw new UsageError('Filters go with --all.')
      return settling(positionals, replayDeadLetter, 'is handled again')
    }
    none(positionals)
    const names = chosen(values.domain)
    return async (session) => {
      const tenant = values.tenant && (await tenantNamed(session, values.tenant))
      let replayed = 0
      for (const name of names) {
        const pool = await session.system(name)
        let after: string | undefined
        for (;;) {
          const page = await listDeadLetters(pool, name, { first: 100, after, tenant, handler: values.handler })
          for (const { id } of page) if (await replayDeadLetter(pool, name, id)) replayed++
          after = page.at(-1)?.id
          if (page.length < 100) break
        }
      }
      session.print(`${count(replayed, 'dead letter')} handled again.`)
    }
  },

  discard: (args) => settling(parse(args, {}).positionals, discardDeadLetter, 'counts as handled'),
}

const commands: Record<string, (args: string[]) => Work> = {
  dead([name = '', ...args]) {
    const command = Object.hasOwn(dead, name) ? dead[name] : undefined
    if (!command) throw new UsageError(`There is no command 'events dead ${name}'.`)
    return command(args)
  },

  lag(args) {
    none(parse(args, {}).positionals)
    return async (session) => {
      const rows: [string, string, string, string][] = []
      for (const { name, definition } of domains) {
        const pool = await session.system(name)
        if (definition.emits) {
          const { unpublished, oldestSeconds } = await outboxLag(pool, name)
          rows.push([`${name} (outbox)`, `${unpublished} not published`, since(oldestSeconds), ''])
        }
        for (const { handler, waiting, oldestSeconds, dead } of await handlerLag(pool, name))
          rows.push([`${name}.${handler}`, `${waiting} waiting`, since(oldestSeconds), dead ? `${dead} dead` : ''])
      }
      const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length))
      for (const row of rows)
        session.print(
          row
            .map((cell, n) => cell.padEnd(width(n)))
            .join('  ')
            .trimEnd(),
        )
    }
  },

  rebuild(args) {
    const { values, positionals } = parse(args, { handler: { type: 'string' } })
    const [name, ...rest] = positionals
    const domain = domains.find((one) => one.name === name)
    if (!domain) throw new UsageError(`events rebuild needs a domain: ${rebuildable()}.`)
    none(rest)
    const handlers = handlersOf(domain).filter((one) => one.rebuild && (!values.handler || one.name === values.handler))
    if (handlers.length === 0)
      throw new UsageError(`${name} has no such handler that can be rebuilt. These can be: ${rebuildable()}.`)
    return async (session) => {
      const lanes = await openLanes<any>({
        url: session.config.databaseUrl(domain.name),
        schema: domain.name,
        secret: session.config.appSecret,
        prisma: domain.definition.prisma,
        statementConnections: 1,
        transactionConnections: 1,
        transactionTimeout: longestRebuild,
      })
      try {
        for (const handler of handlers) {
          const { tenants, events } = await rebuild({
            domain: domain.name,
            handler,
            lanes,
            historyOf: session.system,
            log: session.log,
            onTenant: (tenant, events) => session.print(`${handler.name}: tenant ${tenant}, ${count(events, 'event')}`),
          })
          session.print(
            `Rebuilt ${domain.name}.${handler.name}: ${count(events, 'event')} of ${count(tenants, 'tenant')}.`,
          )
        }
      } finally {
        await lanes.close()
      }
    }
  },

  catalog(args) {
    const { values, positionals } = parse(args, { write: { type: 'boolean', default: false } })
    none(positionals)
    return async ({ print }) => {
      if (values.write) writeFileSync(join(root, 'docs/events.md'), eventCatalog(domains))
      else print(eventCatalog(domains).trimEnd())
    }
  },
}

function settling([id, ...rest]: string[], settle: typeof replayDeadLetter, what: string): Work {
  const domain = domainOf(id)
  none(rest)
  return async (session) => {
    if (!(await settle(await session.system(domain), domain, id!)))
      throw new Error(`There is no dead letter ${id}: it may have been replayed or discarded.`)
    session.print(`It ${what}, and so is what waits behind it.`)
  }
}

function letterNamed(args: string[]): [id: string, domain: string] {
  const [id, ...rest] = parse(args, {}).positionals
  none(rest)
  return [id!, domainOf(id)]
}

function domainOf(id: string | undefined): string {
  const domain = id && domainOfDeadLetter(id)
  if (!domain || !domains.some(({ name }) => name === domain))
    throw new UsageError(
      id
        ? `'${id}' is not the id of a dead letter.`
        : 'The id of a dead letter is missing; npm run events -- dead list shows them.',
    )
  return domain
}

function chosen(domain: string | undefined): string[] {
  const names = domains.map(({ name }) => name)
  if (domain === undefined) return names
  if (!names.includes(domain)) throw new UsageError(`--domain is one of ${names.join(', ')}.`)
  return [domain]
}

const rebuildable = () =>
  domains
    .filter((domain) => handlersOf(domain).some(({ rebuild }) => rebuild))
    .map(({ name }) => name)
    .join(', ') || 'none'

function parse<const O extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(args: string[], options: O) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\. To specify .*/s, '.'))
  }
}

function none(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`'${words[0]}' is too much.`)
}

/** Tenants are known to people by their slugs, which identity keeps. */
async function tenantNamed(session: Session, slugOrId: string): Promise<string> {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(slugOrId)) return slugOrId.toLowerCase()
  const pool = await session.system('identity')
  const { rows } = await pool.query<{ tenant: string }>('SELECT tenant FROM identity.tenant_slug WHERE slug = $1', [
    slugOrId,
  ])
  if (!rows[0]) throw new Error(`There is no tenant '${slugOrId}'.`)
  return rows[0].tenant
}

async function slugsOf(session: Session, letters: readonly DeadLetter[]): Promise<Map<string, string>> {
  const ids = [...new Set(letters.map(({ tenant }) => tenant))]
  if (ids.length === 0) return new Map()
  const pool = await session.system('identity')
  const { rows } = await pool.query<{ tenant: string; slug: string }>(
    'SELECT tenant, slug FROM identity.tenant_slug WHERE tenant = ANY ($1)',
    [ids],
  )
  return new Map(rows.map(({ tenant, slug }) => [tenant, slug]))
}

function summary(letter: DeadLetter, slugs: ReadonlyMap<string, string>): string {
  const { id, domain, handler, tenant, event, error, attempts, firstFailedAt, lastFailedAt } = letter
  const slug = slugs.get(tenant)
  return `${id}
  handler   ${domain}.${handler}
  event     ${event.type} (version ${event.version}) of ${event.subject}
  tenant    ${slug ? `${slug} (${tenant})` : tenant}
  attempts  ${attempts}, from ${firstFailedAt} to ${lastFailedAt}
  error     ${error}`
}

const since = (seconds: number | null) => (seconds === null ? '' : `oldest ${seconds.toFixed(1)} s`)
const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`

export interface EventsCommand {
  env: Environment
  print(line: string): void
  complain(line: string): void
}

/** Runs one command to its end; answers with the exit code: 0, 1 when it could not be done, 2 when it was not understood. */
export async function runEvents(
  [name = '', ...args]: string[],
  { env, print, complain }: EventsCommand,
): Promise<number> {
  try {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!command) throw new UsageError(`There is no command 'events ${name}'.`)
    const work = command(args)
    const log = createLogger({
      level: 'info',
      production: true,
      destination: { write: (line) => complain(line.trimEnd()) },
    })
    if (name === 'catalog') await work({ print } as Session)
    else
      await withDatabase(env, log, complain, `npm run events -- ${[name, ...args].join(' ')}`, (rest) =>
        work({ print, log, ...rest }),
      )
    return 0
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message}\n\n${USAGE}`)
      return 2
    }
    complain(error instanceof Error && !env.DEBUG ? error.message : String((error as Error).stack ?? error))
    return 1
  }
}

async function withDatabase(
  env: Environment,
  log: Session['log'],
  complain: (line: string) => void,
  command: string,
  work: (session: Pick<Session, 'config' | 'system'>) => Promise<void>,
): Promise<void> {
  const pools = new Map<string, Promise<SystemPool>>()
  const database = await openDatabase(env, complain)
  try {
    const config = loadGatewayConfig(database.url ? { ...env, DATABASE_URL: database.url } : env, databases)
    await work({
      config,
      async system(domain) {
        const audit = (use: object) => log.info({ use }, 'work across tenants')
        const opened =
          pools.get(domain) ??
          openSystemPool({ url: config.systemUrl(domain), schema: domain, secret: config.appSecret, audit })
        pools.set(domain, opened)
        return (await opened)(`${command}, by ${userInfo().username}`)
      },
    })
  } finally {
    for (const pool of pools.values()) await pool.then((opened) => opened.close()).catch(() => {})
    await database.stop()
  }
}
