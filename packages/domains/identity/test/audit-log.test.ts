import type { TenantId } from '@offshoot/rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorld, problem, type World } from './world.ts'

let world: World
let tenant: TenantId
beforeAll(async () => {
  world = await openWorld()
  await world.organization('audited', 'admin', 'member')
  tenant = (await world.actor(await world.signIn('owner@audited.test'), 'audited')).identity.tenant!
})
afterAll(() => world?.stop())

const owner = () => world.as('owner@audited.test', 'audited')
const log = async () => (await (await owner()).auditLog({ first: 100 })).items
const newest = async () => (await log())[0]

describe('the audit log', () => {
  it('tells who did what to which thing, the newest first', async () => {
    const client = await owner()
    const user = await world.person('owner@audited.test')
    const { apiKey, secret } = await client.createApiKey({ name: 'k', scopes: ['member:invite'] })
    expect(await newest()).toMatchObject({
      actor: { kind: 'user', id: user },
      action: 'api-key.created',
      target: { type: 'api-key', id: apiKey.id },
    })
    await (await world.by(secret)).inviteMember({ email: 'guest@audited.test', role: 'member' })
    expect(await newest()).toMatchObject({ actor: { kind: 'key', id: apiKey.id }, action: 'invitation.created' })
    expect((await log()).at(-1)).toMatchObject({
      action: 'organization.created',
      target: { type: 'organization', id: tenant },
    })
  })

  it('tells of every kind of change', async () => {
    const client = await owner()
    await world.join('audited', 'short@audited.test', 'admin')
    const id = await world.memberId('audited', 'short@audited.test')
    const { apiKey } = await (await world.as('short@audited.test', 'audited')).createApiKey({
      name: 'k',
      scopes: ['organization:read'],
    })
    const invitation = await (await world.as('short@audited.test', 'audited')).inviteMember({
      email: 'pal@audited.test',
      role: 'member',
    })
    await client.changeMemberRole({ id, role: 'owner' })
    await client.removeMember({ id })
    await (await world.as('member@audited.test', 'audited')).leaveOrganization({})
    const { apiKey: revoked } = await client.createApiKey({ name: 'k', scopes: ['organization:read'] })
    await client.revokeApiKey({ id: revoked.id })
    const { id: withdrawn } = await client.inviteMember({ email: 'never@audited.test', role: 'member' })
    await client.revokeInvitation({ id: withdrawn })
    const actions = (await log()).map(({ action }) => action)
    expect(new Set(actions)).toEqual(
      new Set([
        'organization.created',
        'member.joined',
        'member.role-changed',
        'member.removed',
        'member.left',
        'invitation.created',
        'invitation.revoked',
        'api-key.created',
        'api-key.revoked',
      ]),
    )
    // What went with the membership is told too.
    expect(actions.filter((action) => action === 'api-key.revoked')).toHaveLength(2)
    expect((await log()).some(({ action, target }) => action === 'api-key.revoked' && target.id === apiKey.id)).toBe(
      true,
    )
    expect(invitation.email).toBe('pal@audited.test')
    expect(actions.filter((action) => action === 'invitation.revoked')).toHaveLength(2)
  })

  it('tells nothing of what was refused or changed nothing', async () => {
    const before = (await log()).length
    const client = await owner()
    const id = await world.memberId('audited', 'owner@audited.test')
    await client.changeMemberRole({ id, role: 'admin' }).catch(() => {})
    await client.changeMemberRole({ id, role: 'owner' })
    expect(await log()).toHaveLength(before)
  })

  it('holds no personal data', async () => {
    expect(JSON.stringify(await log())).not.toMatch(/@|owner@|audited\.test/)
  })

  it('is paged by id, and an id of elsewhere is only a place in the order', async () => {
    const client = await owner()
    const all = await log()
    const first = await client.auditLog({ first: 2 })
    expect(first).toEqual({ items: all.slice(0, 2), more: true })
    const rest = await client.auditLog({ first: 100, after: first.items[1]!.id })
    expect(rest).toEqual({ items: all.slice(2), more: false })
    expect(await client.auditLog({ first: 5, after: '00000000-0000-4000-8000-000000000000' })).toEqual({
      items: [],
      more: false,
    })
    for (const bad of [0, -1, 1.5, 101]) {
      await expect(client.auditLog({ first: bad })).rejects.toEqual(problem('BAD_USER_INPUT', 'INVALID_INPUT'))
    }
  })

  it('is for owners', async () => {
    const admin = await world.as('admin@audited.test', 'audited')
    await expect(admin.auditLog({ first: 1 })).rejects.toEqual(problem('FORBIDDEN', 'ROLE_REQUIRED'))
  })

  it('cannot be rewritten: the serving role may only add and read', async () => {
    await world.rows.use(tenant, async (db) => {
      await expect(db.auditEntry.updateMany({ data: { action: 'nothing' } })).rejects.toThrow(
        /permission denied|access/i,
      )
      await expect(db.auditEntry.deleteMany({})).rejects.toThrow(/permission denied|access/i)
      await expect(db.$executeRaw`DELETE FROM identity.audit_log`).rejects.toThrow(/permission denied/i)
      await expect(db.$executeRaw`TRUNCATE identity.audit_log`).rejects.toThrow()
    })
  })
})
