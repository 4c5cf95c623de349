import type { EventType } from '@offshoot/events'
import type { Client } from '@offshoot/rpc'
import { type TestApp, tenantId, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  depot,
  type StorageBox,
  StorageBoxArchived,
  StorageBoxCreated,
  type StorageBoxId,
  StorageBoxUpdated,
} from '../src/contract.ts'
import { depotDomain } from '../src/domain.ts'

let app: TestApp
let ours: Client<typeof depot>
let theirs: Client<typeof depot>

beforeAll(async () => {
  app = await testApp([depotDomain], { events: false })
  ours = app.client(depot, { tenant: 'acme' })
  theirs = app.client(depot, { tenant: 'globex' })
})
afterAll(() => app.stop())

let counter = 0
const newName = () => `Name ${++counter}`
const create = (by = ours) => by.createStorageBox({ name: newName() })
const neverExisted = '019b76da-a800-7000-8000-000000000000' as StorageBoxId
const invalid = { code: 'BAD_USER_INPUT', reason: 'INVALID_INPUT' }
const taken = { code: 'CONFLICT', reason: 'NAME_TAKEN' }

/** What such events told others about it. */
async function told({ id }: StorageBox, { name }: EventType): Promise<unknown[]> {
  const rows = await app.database.admin<{ data: unknown }>(
    'SELECT data FROM depot.outbox WHERE aggregate = $1 AND type = $2 ORDER BY revision',
    [`storage-box/${id}`, name],
  )
  return rows.map(({ data }) => data)
}

describe('creating a storage box', () => {
  it('answers with what can then be read, and tells others', async () => {
    const input = { name: newName(), note: 'Mind the „quotes“, and the \'; drop table "storage_box"; --' }
    const created = await ours.createStorageBox(input)
    expect(created).toMatchObject({ ...input, archived: false })
    expect(await ours.getStorageBoxes({ ids: [created.id] })).toEqual([created])
    expect(await told(created, StorageBoxCreated)).toEqual([{ storageBoxId: created.id, ...input }])
  })

  it.each<[string, Record<string, unknown>]>([
    ['a blank name', { name: '  ' }],
    ['a name that is too long', { name: 'x'.repeat(201) }],
    ['a note of 10 MB', { note: 'x'.repeat(10_000_000) }],
    ['NUL', { name: 'a\0' }],
    ['half a surrogate pair, which UTF-8 cannot hold', { note: 'a\ud83d' }],
  ])('refuses %s', async (_, change) => {
    await expect(ours.createStorageBox({ name: newName(), ...change })).rejects.toMatchObject(invalid)
  })
})

describe('the name', () => {
  it('is unique within a tenant, archived ones included, and free for every other', async () => {
    const { id, name } = await create()
    await ours.archiveStorageBox({ id })
    await expect(ours.createStorageBox({ name })).rejects.toMatchObject(taken)
    await expect(theirs.createStorageBox({ name })).resolves.toMatchObject({ name })
  })

  it('goes to one of ten who ask for it at once', async () => {
    const name = newName()
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => ours.createStorageBox({ name })))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(taken)
    }
  })

  it('cannot be taken from another by an update', async () => {
    const [one, other] = [await create(), await create()]
    await expect(ours.updateStorageBox({ id: one.id, name: other.name })).rejects.toMatchObject(taken)
    await expect(ours.updateStorageBox({ id: one.id, name: one.name })).resolves.toEqual(one)
  })
})

describe('updating a storage box', () => {
  it('changes what is named, leaves the rest, and tells others what it is now', async () => {
    const created = await create()
    const noted = await ours.updateStorageBox({ id: created.id, note: 'Noted.' })
    expect(noted).toEqual({ ...created, note: 'Noted.' })
    const name = newName()
    expect(await ours.updateStorageBox({ id: created.id, name, note: null })).toEqual({ ...created, name })
    expect(await told(created, StorageBoxUpdated)).toEqual([
      { storageBoxId: created.id, name: created.name, note: 'Noted.' },
      { storageBoxId: created.id, name, note: null },
    ])
  })
})

describe('archiving a storage box', () => {
  it('takes it off the list and leaves it readable by id; again it changes nothing and tells nothing', async () => {
    const created = await create()
    const archived = { ...created, archived: true }
    expect(await ours.archiveStorageBox({ id: created.id })).toEqual(archived)
    expect(await ours.archiveStorageBox({ id: created.id })).toEqual(archived)
    expect(await ours.getStorageBoxes({ ids: [created.id] })).toEqual([archived])
    const { items } = await ours.listStorageBoxes({ first: 100 })
    expect(items).not.toContainEqual(expect.objectContaining({ id: created.id }))
    expect(await told(created, StorageBoxArchived)).toEqual([{ storageBoxId: created.id }])
  })
})

describe('reading storage boxes', () => {
  it('answers in the order of the ids, null for the unknown, in one statement', async () => {
    const [a, b] = [await create(), await create()]
    app.statements.length = 0
    expect(await ours.getStorageBoxes({ ids: [b.id, neverExisted, a.id, b.id] })).toEqual([b, null, a, b])
    expect(app.statements).toHaveLength(1)
  })

  it.each(['', 'x', `' or 1=1 --`, '__proto__'])('refuses %j, which is no id', async (id) => {
    await expect(ours.getStorageBoxes({ ids: [id as StorageBoxId] })).rejects.toMatchObject(invalid)
    await expect(ours.listStorageBoxes({ first: 1, after: id })).rejects.toMatchObject(invalid)
  })

  it.each([0, -1, 1.5, 101])('refuses pages of %d', async (first) => {
    await expect(ours.listStorageBoxes({ first })).rejects.toMatchObject(invalid)
  })

  it('lists each once, newest first, whatever the size of the pages', async () => {
    const client = app.client(depot, { tenant: 'initech' })
    const made: StorageBox[] = []
    for (let i = 0; i < 5; i++) {
      made.unshift(await create(client))
      await new Promise((resolve) => setTimeout(resolve, 2)) // ids of one millisecond are in no particular order
    }
    for (const first of [1, 2, 5, 100]) {
      const listed: StorageBox[] = []
      for (let after: string | undefined; ; after = listed.at(-1)!.id) {
        const { items, more } = await client.listStorageBoxes({ first, after })
        listed.push(...items)
        if (!more) break
      }
      expect(listed).toEqual(made)
    }
  })
})

describe('another tenant', () => {
  it('meets an id as if it had never existed, in every call', async () => {
    const mine = await create()
    const about = async (id: StorageBoxId) => ({
      read: await theirs.getStorageBoxes({ ids: [id] }),
      update: await theirs.updateStorageBox({ id, name: 'Taken over' }).catch(problem),
      archive: await theirs.archiveStorageBox({ id }).catch(problem),
    })
    expect(await about(mine.id)).toEqual(await about(neverExisted))
    expect((await about(mine.id)).update).toMatchObject({ code: 'NOT_FOUND', reason: 'STORAGE_BOX_NOT_FOUND' })
    expect(await ours.getStorageBoxes({ ids: [mine.id] })).toEqual([mine])
  })

  it('has a list of its own', async () => {
    await create()
    expect(await app.client(depot, { tenant: 'umbrella' }).listStorageBoxes({ first: 100 })).toEqual({
      items: [],
      more: false,
    })
  })

  it('is named in every statement', async () => {
    app.statements.length = 0
    const { id } = await create()
    await ours.updateStorageBox({ id, name: newName() })
    await ours.listStorageBoxes({ first: 1 })
    await ours.getStorageBoxes({ ids: [id] })
    await ours.archiveStorageBox({ id })
    for (const { sql, tenant } of app.statements) {
      expect(tenant).toBe(tenantId('acme'))
      if (!/^(BEGIN|COMMIT)$|^select "depot".emit/.test(sql)) expect(sql).toContain('tenant_id')
    }
  })
})

describe('a member', () => {
  it('may read and not write', async () => {
    const member = app.client(depot, { tenant: 'acme', role: 'member' })
    const { id } = await create(app.client(depot, { tenant: 'acme', role: 'admin' }))
    await expect(member.listStorageBoxes({ first: 1 })).resolves.toMatchObject({ items: [{ id }] })
    await expect(member.getStorageBoxes({ ids: [id] })).resolves.toMatchObject([{ id }])
    const refused = { code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' }
    await expect(create(member)).rejects.toMatchObject(refused)
    await expect(member.updateStorageBox({ id, name: 'Mine' })).rejects.toMatchObject(refused)
    await expect(member.archiveStorageBox({ id })).rejects.toMatchObject(refused)
  })
})

/** What a caller is told of a failure. */
function problem({ code, reason, message, data }: { code: string; reason: string; message: string; data: unknown }) {
  return { code, reason, message, data }
}
