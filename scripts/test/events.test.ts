import { migrate } from '@offshoot/data/migrate'
import { emptyDatabase } from '@offshoot/data/testing'
import { defineEvent, handler, on } from '@offshoot/events'
import { domains } from '@offshoot/gateway/domains'
import type { Domain } from '@offshoot/host'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { eventCatalog, eventProblems } from '../event-catalog.ts'
import { runEvents } from '../event-commands.ts'

/** Any domain: they all have an inbox. */
const home = domains[0]!.name
const acme = '00000000-0000-4000-8000-00000000000a'
const globex = '00000000-0000-4000-8000-00000000000b'
const env = { APP_SECRET: 'a secret of a database that is thrown away', LOG_LEVEL: 'silent' }

let database: Awaited<ReturnType<typeof emptyDatabase>>
let admin: pg.Pool
beforeAll(async () => {
  database = await emptyDatabase()
  await migrate({ adminUrl: database.adminUrl, domains: domains.map(({ data }) => data), appSecret: env.APP_SECRET })
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 1 })
  await admin.query(
    `INSERT INTO identity.tenant_slug (slug, tenant) VALUES ('acme', '${acme}'), ('globex', '${globex}')`,
  )
})
afterAll(async () => {
  await admin.end()
  await database.drop()
})

/** Runs `npm run events -- …`. */
async function events(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const code = await runEvents(args, {
    env: { ...env, DATABASE_URL: database.adminUrl },
    print: (line) => (said.out += `${line}\n`),
    complain: (line) => (said.err += `${line}\n`),
  })
  return { code, ...said }
}

/** A dead letter, as a handler that fails for good leaves it. */
async function die(tenant: string, n: number): Promise<string> {
  const id = `00000000-0000-7000-8000-00000000000${n}`
  await admin.query(
    `INSERT INTO ${home}.inbox (tenant_id, handler, id, source, aggregate, revision, after, type, version, time, data, status, attempts, error, first_failed_at, last_failed_at)
     VALUES ($1, 'reserve-stock', $2, 'orders', 'order/' || $3::int, 1, 0, 'orders.OrderPlaced', 1, now(), '{"said":"something"}', 'dead', 10, 'Error: no', now(), now())`,
    [tenant, id, n],
  )
  await admin.query(
    `INSERT INTO ${home}.inbox_head (tenant_id, handler, source, aggregate, parked) VALUES ($1, 'reserve-stock', 'orders', 'order/' || $2::int, true)`,
    [tenant, n],
  )
  return id
}
const statusOf = async (id: string) =>
  (await admin.query<{ status: string }>(`SELECT status FROM ${home}.inbox WHERE id = $1`, [id])).rows[0]?.status

describe('npm run events', () => {
  it('lists dead letters, shows, replays and discards them; each use goes on record', async () => {
    const [first, second, third] = [await die(acme, 1), await die(acme, 2), await die(globex, 3)]
    const all = await events('dead', 'list')
    expect(all).toMatchObject({ code: 0, out: expect.stringContaining('3 dead letters') })
    expect(all.out).not.toContain('something')
    expect(all.err).toContain('npm run events -- dead list, by ')
    const { out } = await events('dead', 'list', '--tenant', 'acme', '--limit', '1')
    expect(out).toContain(`acme (${acme})`)
    expect(out).toContain('order/2')
    expect(out).not.toContain('order/1')
    const [id] = out.split('\n') as [string]

    const shown = await events('dead', 'show', id)
    expect(shown.out).toMatch(/\w+\.reserve-stock.*orders\.OrderPlaced.*10, from.*Error: no.*"said": "something"/s)
    expect(await events('dead', 'discard', id)).toMatchObject({ code: 0 })
    expect(await statusOf(second)).toBe('discarded')
    expect(await events('dead', 'discard', id)).toMatchObject({
      code: 1,
      err: expect.stringContaining('There is no dead letter'),
    })
    expect((await events('dead', 'replay', '--all', '--tenant', globex)).out).toBe('1 dead letter handled again.\n')
    expect([await statusOf(first), await statusOf(third)]).toEqual(['dead', 'pending'])
    expect((await events('lag')).out).toMatch(/\w+\.reserve-stock +1 waiting +oldest .* s +1 dead/)
  })

  it.each([
    [[], 'There is no command'],
    [['dead', 'bury'], 'There is no command'],
    [['dead', 'show'], 'is missing'],
    [['dead', 'show', 'nonsense'], 'not the id of a dead letter'],
    [['dead', 'list', '--domain', 'nowhere'], '--domain is one of'],
    [['rebuild', 'identity'], 'no such handler that can be rebuilt'],
  ])('%j is explained', async (args, message) => {
    const { code, err } = await events(...args)
    expect(code).toBe(2)
    expect(err).toContain(message)
    expect(err).toContain('Usage:')
  })
})

describe('the catalog of events', () => {
  const Sent = defineEvent('post.Sent', {
    version: 3,
    aggregate: 'letter',
    key: () => '',
    data: z.object({}),
    upcast: { 1: (o) => o, 2: (o) => o },
  })
  const Lost = defineEvent('post.Lost', { version: 1, aggregate: 'letter', key: () => '', data: z.object({}) })
  const domain = (name: string, definition: Partial<Domain['definition']>) => ({ name, definition }) as Domain
  const read = domain('desk', { handlers: () => [handler('read', [on(Sent, async () => {})])] })

  it('says who emits and who handles what, in which version', () => {
    const text = eventCatalog([domain('post', { emits: [Sent, Lost] }), read])
    expect(text).toContain(
      '| `post.Lost` | 1 | letter | post | nobody |\n| `post.Sent` | 3 | letter | post | `desk.read` |',
    )
  })

  it('finds what is handled and never emitted, and what is not its domain’s to emit', () => {
    expect(eventProblems([domain('post', { emits: [Lost] }), read])).toEqual([
      'desk.read handles post.Sent, which no domain lists under `emits`',
    ])
    expect(eventProblems([domain('desk', { emits: [Lost] })])).toHaveLength(1)
  })
})
