import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { asAdministrator, quote } from '../migrate/connection.ts'
import type { DomainSchema } from '../migrate/domain-schema.ts'
import { migrateLocked } from '../migrate/migrate.ts'
import { type NewPlace, placementOf, placementTable } from '../migrate/placement.ts'
import { checkServer, checkSource, checkTarget } from './checks.ts'
import { compare } from './compare.ts'
import { type Database, inTransaction, isSame, openDatabase, rolesOf, tablesOf } from './database.ts'
import { MoveError } from './errors.ts'
import { fenced } from './fence.ts'
import { close, open } from './placing.ts'
import { forget, type Move, moveOf, note, type Step } from './record.ts'
import {
  arrival,
  assertRunning,
  backlog,
  copyState,
  mark,
  prepareSending,
  type Stream,
  skipToNow,
  stopSending,
  subscribe,
  unsubscribe,
} from './stream.ts'

export interface Progress {
  step: Step
  /** What is done at the moment, in a line. */
  text: string
  /** Whether the next one says the same again, with newer figures. */
  passing?: boolean
}

export interface MoveOptions {
  domain: DomainSchema
  /** The administrator's URL of the target; of the other database, when a move is taken back or purged. */
  to?: string
  /** The administrators' URLs that the settings know; the first is the domain's own. */
  known: readonly string[]
  appSecret: string
  report?(progress: Progress): void
}

/** How a move ended. */
export interface Outcome {
  /** Where the domain is now. */
  place: NewPlace
  /** How long writers were held back, in ms; undefined where an earlier run switched. */
  fence?: number
  rows?: number
}

/**
 * Moves a domain to another database while it is in use. It can be stopped at any moment, and goes on where it was when it is run again: what a step makes is looked for first, and what decides
 * is one row of the database that the domain leaves, which says whether the domain has left it.
 *
 *     prepare  the target's structure, closed; a stream that keeps whatever is written from now on
 *     copy     what is there, then what was written meanwhile
 *     verify   for a moment nothing is written, both sides are the same, and each keeps a snapshot of it: the snapshots are compared at leisure
 *     switch   for a moment nothing is written; the target is opened, the source closed
 *     settle   the stream turns round: what is written in the new place arrives in the old one, for the way back
 */
export async function moveData(options: MoveOptions): Promise<Outcome> {
  const { domain, to: toUrl } = options
  if (!toUrl) throw new MoveError('WHERE', 'Say where to: --to <database url>')
  return withDatabases(options, async (databases) => {
    const { origin, target, move } = await participants(databases, options)
    return alone(origin, domain.name, async () => {
      const work = workOf(origin, target, (await moveOf(origin, domain.name)) ?? move, options)
      return work.forth()
    })
  })
}

/** Takes a move back: before its switch by undoing what was prepared, after it by the stream that led back all the time. */
export async function moveBack(options: MoveOptions): Promise<Outcome> {
  const { domain } = options
  return withDatabases(options, async (databases) => {
    const { origin, target, move } = await participants(databases, options)
    if (!move) throw new MoveError('NO_MOVE', `${domain.name} is not being moved, and was not: there is no way back`)
    return alone(origin, domain.name, () => workOf(origin, target, move, options).back())
  })
}

/** Deletes what a move has left behind: the data in the database that the domain is no longer in, and the stream. After that there is no way back. */
export async function purgeMove(options: MoveOptions): Promise<void> {
  const { domain } = options
  await withDatabases(options, async (databases) => {
    const { origin, target, move } = await participants(databases, options)
    if (!move) throw new MoveError('NO_MOVE', `${domain.name} has left nothing behind`)
    await alone(origin, domain.name, () => workOf(origin, target, move, options).purge())
  })
}

async function withDatabases<T>({ known, to }: MoveOptions, work: (databases: Databases) => Promise<T>): Promise<T> {
  const opened: Database[] = []
  try {
    const target = to === undefined ? undefined : await openDatabase(to)
    if (target) opened.push(target)
    const others: Database[] = []
    let own: Database | undefined
    for (const url of new Set(known)) {
      // One that is not needed may be away: who needs it says so.
      const database = await openDatabase(url).catch((error: MoveError) => error)
      if (database instanceof Error) {
        if (url === known[0]) throw database
        continue
      }
      opened.push(database)
      const same = target !== undefined && (await isSame(target, database))
      own ??= same ? target : database
      if (!same) others.push(database)
    }
    return await work({ own: own!, others, to: target })
  } finally {
    await Promise.all(opened.map((database) => database.close()))
  }
}

interface Databases {
  /** Where the settings say that the domain is. */
  own: Database
  /** All that the settings name, without `to`. */
  others: Database[]
  to: Database | undefined
}

interface Participants {
  /** Where the domain was, or is, before the move. */
  origin: Database
  target: Database
  move: Move | undefined
}

/** Finds out which of the databases is which. After the switch the settings may already name the target as the domain's own. */
async function participants({ own, others, to }: Databases, { domain }: MoveOptions): Promise<Participants> {
  const { name } = domain
  const all = [...others, ...(to ? [to] : [])]
  const moves = await Promise.all(all.map(async (database) => ({ database, move: await moveOf(database, name) })))
  const origin = moves.find(({ move }) => move?.part === 'from')
  if (origin) {
    const { id, other } = origin.move!
    const target =
      moves.find(({ move }) => move?.part === 'to' && move.id === id)?.database ??
      (to?.place === other ? to : undefined)
    if (to && target !== to && to !== origin.database)
      throw new MoveError(
        'OTHER_MOVE',
        `${name} is on its way to another database, ${other}; finish that, or take it back and purge it`,
      )
    if (!target)
      throw new MoveError('WHERE', `Say how to reach the other database, ${other}, as administrator: --to <url>`)
    return { origin: origin.database, target, move: origin.move }
  }
  const half = moves.find(({ move }) => move?.part === 'to')
  if (half)
    throw new MoveError(
      'WHERE',
      `${half.database.label} has ${name} from ${half.move!.other}; say how to reach that one as administrator: DATABASE_URL, or --to <url>`,
    )
  if (!to) throw new MoveError('NO_MOVE', `${name} is not being moved, and was not`)
  if (own === to) throw new MoveError('SAME_DATABASE', `${name} is in ${to.label} already`)
  return { origin: own, target: to, move: undefined }
}

/** Runs `work` while no other process moves this domain. */
async function alone<T>(origin: Database, domain: string, work: () => Promise<T>): Promise<T> {
  const client = await origin.connect()
  const { rows } = await client.query(`SELECT pg_try_advisory_lock(hashtext($1)) AS free`, [`offshoot move ${domain}`])
  if (!rows[0].free)
    throw new MoveError('MOVE_RUNNING', `Another process is moving ${domain} at this moment; let it finish, or stop it`)
  return work()
}

function workOf(origin: Database, target: Database, move: Move | undefined, options: MoveOptions) {
  const { domain: schema, appSecret, report = () => {} } = options
  const domain = schema.name
  const id = move?.id ?? randomUUID()
  const out: Stream = { from: origin, to: target, domain, move: id, direction: 'out', appSecret }
  const back: Stream = { from: target, to: origin, domain, move: id, direction: 'back', appSecret }
  let step: Step = move?.step ?? 'prepare'
  let settled = false

  async function begin(next: Step, text: string, passing = false): Promise<void> {
    if (next !== step || !move) await note(origin.client, domain, { id, part: 'from', other: target.place, step: next })
    step = next
    report({ step, text, passing })
  }
  const tell = (text: string, passing = false) => report({ step, text, passing })
  const retrying = (why: string) => tell(`no moment without writing yet: ${why}`, true)
  const hasLeft = async () => (await placementOf(origin.client, domain)).state === 'moved'

  async function forth(): Promise<Outcome> {
    if (step === 'moved') return { place: await placeOf(target, domain) }
    if (step === 'return' || step === 'unhitch' || step === 'returned')
      throw new MoveError(
        'OTHER_MOVE',
        `An earlier move of ${domain} was taken back; finish that (--back), and purge what it left (--purge)`,
      )
    let outcome: Omit<Outcome, 'place'> = {}
    if (!(await hasLeft())) {
      await prepare()
      await copy()
      await verify()
      outcome = await changeOver()
    } else if (!move) {
      const { moved_to } = await placementOf(origin.client, domain)
      throw new MoveError(
        'NOT_HERE',
        `${domain} has moved from ${origin.label} to ${moved_to?.url}: say so in the settings first`,
      )
    }
    await settle()
    await begin('moved', `${domain} is in ${target.label}`)
    return { ...outcome, place: await placeOf(target, domain) }
  }

  async function prepare(): Promise<void> {
    await checkServer(origin, move !== undefined)
    await checkServer(target, move !== undefined)
    await checkSource(origin, schema)
    const arriving = (await moveOf(target, domain))?.id === id
    if (!arriving) await checkTarget(target, domain)
    await begin(move ? step : 'prepare', `the structure of ${domain} in ${target.label}`)
    await asAdministrator(target.url, async (client) => {
      await migrateLocked(client, [schema], { appSecret, moving: true })
      const roles = await rolesOf(target, domain)
      await inTransaction(client, async () => {
        await close(client, domain, roles, { state: 'arriving' })
        await note(client, domain, { id, part: 'to', other: origin.place, step: 'prepare' })
      })
    })
    tell('where the stream begins: once the transactions that are open now have ended', true)
    await prepareSending(out, await tablesOf(origin.client, domain))
  }

  async function copy(): Promise<void> {
    await begin('copy', 'the rows that are there')
    await subscribe(out, { copy: true, enabled: true })
    const estimates = await estimatedRows(origin, domain)
    const total = [...estimates.values()].reduce((sum, rows) => sum + rows, 0)
    const began = performance.now()
    for (;;) {
      const { tables, copied, underWay, copiedTables } = await copyState(out)
      if (tables > 0 && copied === tables) break
      const rows = copiedTables.reduce((sum, table) => sum + (estimates.get(table) ?? 0), underWay)
      const left = rows > 0 ? Math.max(0, ((performance.now() - began) / 1_000) * (total / rows - 1)) : undefined
      tell(
        `${copied} of ${tables} tables, ${number(rows)} of about ${number(total)} rows${left === undefined ? '' : `, about ${Math.ceil(left)} s left`}`,
        true,
      )
      await sleep(200)
    }
    tell('statistics for the planner')
    await target.client.query(`ANALYZE ${(await tablesOf(target.client, domain)).join(', ')}`)
    await catchUp(out)
  }

  /** Waits until the other end is less than half a second behind. */
  async function catchUp(stream: Stream): Promise<void> {
    for (;;) {
      const began = performance.now()
      const last = await mark(stream)
      if (await arrival(stream, last, 500)) {
        tell(`caught up: ${Math.round(performance.now() - began)} ms behind`)
        return
      }
      await assertRunning(stream)
      tell(`catching up: ${number(Math.round((await backlog(stream)) / 1024))} KiB behind`, true)
    }
  }

  async function verify(): Promise<void> {
    await begin('verify', 'a snapshot of both sides at the same moment')
    const { ms, snapshots } = await fenced(out, async () => {}, retrying)
    tell(`writers waited for ${Math.round(ms)} ms`)
    await compareAll(snapshots)
  }

  async function compareAll(snapshots: Parameters<typeof compare>[0]): Promise<number> {
    let rows = 0
    const total = await compare(snapshots, domain, (table, count) => {
      rows += count
      tell(`${table}: the same ${number(count)} rows; ${number(rows)} in all`, true)
    })
    tell(`the same ${number(total)} rows on both sides`)
    return total
  }

  async function changeOver(): Promise<Omit<Outcome, 'place'>> {
    await begin('switch', 'the way back')
    await prepareSending(back, await tablesOf(target.client, domain))
    await subscribe(back, { copy: false, enabled: false })
    await catchUp(out)
    const roles = { origin: await rolesOf(origin, domain), target: await rolesOf(target, domain) }
    const place = await placeOf(target, domain)
    const { epoch } = await placementOf(origin.client, domain)
    await skipToNow(back) // most of it now, so that little is left
    tell('holding writers back')
    const { ms, snapshots } = await fenced(
      out,
      async (fence) => {
        // First the new place, so that nobody is sent to where nobody is served. If this process ends before the old one is closed, then nobody is sent there.
        await inTransaction(target.client, () => open(target.client, domain, roles.target, epoch + 1))
        tell(`${target.label} is open`)
        await skipToNow(back)
        await close(fence, domain, roles.origin, { state: 'moved', to: place, epoch: epoch + 1 })
        await note(fence, domain, { id, part: 'from', other: target.place, step: 'settle' })
      },
      retrying,
    ).catch(async (error) => {
      if (!(await hasLeft())) await closeTarget()
      throw error
    })
    step = 'settle'
    tell(`${domain} is in ${target.label}: writers waited for ${Math.round(ms)} ms`)
    await settle()
    return { fence: ms, rows: await compareAll(snapshots) }
  }

  /** Only after this may the old place receive: what it received would be sent on otherwise. */
  async function settle(): Promise<void> {
    if (settled) return
    await begin('settle', 'the stream turns round')
    await unsubscribe(out)
    await stopSending(out)
    await subscribe(back, { copy: false, enabled: true })
    settled = true
  }

  async function takeBack(): Promise<Outcome> {
    if (!(await hasLeft()) && step !== 'return' && step !== 'unhitch' && step !== 'returned') {
      tell('nothing has moved yet: what was prepared is undone')
      await closeTarget()
      await unsubscribe(out)
      await stopSending(out)
      await unsubscribe(back)
      await stopSending(back)
      await leave(target, origin)
      await forget(target.client, domain, id)
      await forget(origin.client, domain, id)
      return { place: await placeOf(origin, domain) }
    }
    let outcome: Omit<Outcome, 'place'> = {}
    if (step === 'unhitch' && (await placementOf(target.client, domain)).state === 'here') await leaveOrigin()
    if (await hasLeft()) {
      if (step === 'settle') await settle()
      await begin('return', `the way back to ${origin.label}`)
      await catchUp(back)
      const rehearsal = await fenced(back, async () => {}, retrying)
      tell(`writers waited for ${Math.round(rehearsal.ms)} ms`)
      await compareAll(rehearsal.snapshots)
      const roles = { origin: await rolesOf(origin, domain), target: await rolesOf(target, domain) }
      const place = await placeOf(origin, domain)
      const { epoch } = await placementOf(target.client, domain)
      tell('holding writers back')
      const { ms, snapshots } = await fenced(
        back,
        async (fence) => {
          await inTransaction(origin.client, async () => {
            await open(origin.client, domain, roles.origin, epoch + 1)
            await note(origin.client, domain, { id, part: 'from', other: target.place, step: 'unhitch' })
          })
          tell(`${origin.label} is open`)
          await close(fence, domain, roles.target, { state: 'moved', to: place, epoch: epoch + 1 })
        },
        retrying,
      )
      tell(`${domain} is in ${origin.label} again: writers waited for ${Math.round(ms)} ms`)
      outcome = { fence: ms, rows: await compareAll(snapshots) }
    }
    await begin('unhitch', 'the stream ends')
    await unsubscribe(back)
    await stopSending(back)
    await begin('returned', `${domain} is in ${origin.label}`)
    return { ...outcome, place: await placeOf(origin, domain) }
  }

  /** The last run ended after it had opened the one and before it had closed the other: nobody was sent here yet. */
  async function leaveOrigin(): Promise<void> {
    const [roles, place] = [await rolesOf(origin, domain), await placeOf(target, domain)]
    const { epoch } = await placementOf(target.client, domain)
    await inTransaction(origin.client, () => close(origin.client, domain, roles, { state: 'moved', to: place, epoch }))
  }

  async function closeTarget(): Promise<void> {
    if ((await moveOf(target, domain))?.id !== id) return
    const roles = await rolesOf(target, domain)
    await inTransaction(target.client, () => close(target.client, domain, roles, { state: 'arriving' }))
  }

  async function purge(): Promise<void> {
    if (step !== 'moved' && step !== 'returned')
      throw new MoveError(
        'OTHER_MOVE',
        `The move of ${domain} is not finished (${step}); finish it or take it back first`,
      )
    const [left, kept] = step === 'moved' ? [origin, target] : [target, origin]
    if ((await placementOf(kept.client, domain)).state !== 'here' || (await tablesOf(kept.client, domain)).length === 0)
      throw new MoveError('NOT_HERE', `${domain} is not served in ${kept.label}: nothing is deleted in ${left.label}`)
    tell(`deleting ${domain} in ${left.label}`)
    await unsubscribe(back)
    await stopSending(back)
    await leave(left, kept)
    await forget(target.client, domain, id)
    await forget(origin.client, domain, id)
    tell(`${domain} is no longer in ${left.label}, which only says where it is`)
  }

  /** Deletes the domain there; what stays is where it is. */
  async function leave({ client }: Database, to: Database): Promise<void> {
    const place = JSON.stringify(await placeOf(to, domain))
    await inTransaction(client, async () => {
      await client.query(`SET LOCAL client_min_messages = warning; DROP SCHEMA IF EXISTS ${quote(domain)} CASCADE`)
      const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS there', [placementTable(domain)])
      if (!rows[0].there) return
      await client.query(`UPDATE ${placementTable(domain)} SET state = 'moved', moved_to = $1, rights = NULL`, [place])
    })
  }

  return { forth, back: takeBack, purge }
}

async function placeOf(database: Database, domain: string): Promise<NewPlace> {
  const { serving, system } = await rolesOf(database, domain)
  return { url: database.place, serving, system }
}

async function estimatedRows({ client }: Database, domain: string): Promise<Map<string, number>> {
  const { rows } = await client.query<{ name: string; rows: string }>(
    `SELECT format('%I.%I', $1::text, c.relname) AS name, greatest(c.reltuples, s.n_live_tup, 0)::bigint AS rows
     FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind = 'r'`,
    [domain],
  )
  return new Map(rows.map(({ name, rows }) => [name, Number(rows)]))
}

const number = (n: number) => Math.round(n).toLocaleString('en')
