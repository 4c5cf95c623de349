import type { Role } from '@offshoot/rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorld, problem, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world?.stop())

const rolesIn = async (slug: string) => {
  const members = await (await world.as(`owner@${slug}.test`, slug)).members({})
  return members.map(({ role }) => role).sort()
}

describe('listing members', () => {
  it('can be narrowed to roles and to users, and leaves out who was removed', async () => {
    await world.organization('listed', 'admin', 'member')
    const owner = await world.as('owner@listed.test', 'listed')
    const roles = async (input: Parameters<typeof owner.members>[0]) =>
      (await owner.members(input)).map(({ role }) => role)
    expect(await roles({ roles: ['owner', 'admin'] })).toEqual(['owner', 'admin'])
    const everybody = await owner.members({})
    const member = everybody.find(({ role }) => role === 'member')!
    expect(await owner.members({ users: [member.user] })).toEqual([member])
    expect(await roles({ users: [member.user], roles: ['owner'] })).toEqual([])
    expect(await roles({ users: [] })).toEqual([])
    await owner.removeMember({ id: member.id })
    expect(await roles({ users: everybody.map(({ user }) => user) })).toEqual(['owner', 'admin'])
  })
})

describe('changing a role', () => {
  beforeAll(async () => {
    await world.organization('roles', 'admin', 'member')
    await world.join('roles', 'other@roles.test', 'member')
  })

  const change = async (by: string, whose: string, role: Role) =>
    (await world.as(`${by}@roles.test`, 'roles')).changeMemberRole({
      id: await world.memberId('roles', `${whose}@roles.test`),
      role,
    })

  it('shows in the next answer about that member', async () => {
    await change('owner', 'other', 'admin')
    expect((await world.actor(await world.signIn('other@roles.test'), 'roles')).identity.role).toBe('admin')
    expect(await change('admin', 'other', 'member')).toMatchObject({ role: 'member' })
    expect((await world.actor(await world.signIn('other@roles.test'), 'roles')).identity.role).toBe('member')
  })

  it('lets nobody raise themselves', async () => {
    await expect(change('admin', 'admin', 'owner')).rejects.toEqual(problem('FORBIDDEN', 'ROLE_TOO_HIGH'))
    await expect(change('member', 'member', 'admin')).rejects.toEqual(problem('FORBIDDEN', 'ROLE_REQUIRED'))
  })

  it('lets nobody give a role above their own', async () => {
    await expect(change('admin', 'other', 'owner')).rejects.toEqual(problem('FORBIDDEN', 'ROLE_TOO_HIGH'))
  })

  it('lets nobody lower someone above them', async () => {
    await expect(change('admin', 'owner', 'member')).rejects.toEqual(problem('FORBIDDEN', 'ROLE_TOO_HIGH'))
  })

  it('does not take the last owner', async () => {
    await expect(change('owner', 'owner', 'admin')).rejects.toEqual(problem('CONFLICT', 'LAST_OWNER'))
  })

  it('counts by the role of now, not by the one that the call came with', async () => {
    const wasAdmin = await world.as('admin@roles.test', 'roles')
    await change('owner', 'admin', 'member')
    const id = await world.memberId('roles', 'other@roles.test')
    await expect(wasAdmin.changeMemberRole({ id, role: 'admin' })).rejects.toEqual(
      problem('FORBIDDEN', 'ROLE_REQUIRED'),
    )
    await change('owner', 'admin', 'admin')
  })

  it('withdraws the invitations that the new role would not allow', async () => {
    await change('owner', 'other', 'owner')
    const wasOwner = await world.as('other@roles.test', 'roles')
    await wasOwner.inviteMember({ email: 'an-owner@roles.test', role: 'owner' })
    await wasOwner.inviteMember({ email: 'an-admin@roles.test', role: 'admin' })
    await change('owner', 'other', 'admin')
    const left = await (await world.as('owner@roles.test', 'roles')).invitations({})
    expect(left.map(({ email }) => email)).toEqual(['an-admin@roles.test'])
    await change('owner', 'other', 'member')
    expect(await (await world.as('owner@roles.test', 'roles')).invitations({})).toEqual([])
  })
})

describe('the last owner', () => {
  it('cannot leave or be removed', async () => {
    await world.organization('last', 'admin')
    const owner = await world.as('owner@last.test', 'last')
    await expect(owner.leaveOrganization({})).rejects.toEqual(problem('CONFLICT', 'LAST_OWNER'))
    const id = await world.memberId('last', 'owner@last.test')
    await expect(owner.removeMember({ id })).rejects.toEqual(problem('CONFLICT', 'LAST_OWNER'))
    await expect((await world.as('admin@last.test', 'last')).removeMember({ id })).rejects.toEqual(
      problem('FORBIDDEN', 'ROLE_TOO_HIGH'),
    )
  })

  async function twoOwners(slug: string) {
    await world.organization(slug)
    await world.join(slug, `second@${slug}.test`, 'owner')
    const emails = [`owner@${slug}.test`, `second@${slug}.test`]
    return Promise.all(
      emails.map(async (email) => ({ client: await world.as(email, slug), id: await world.memberId(slug, email) })),
    )
  }

  it.each([1, 2, 3])('remains when two owners demote each other at once (%i)', async (time) => {
    const [first, second] = await twoOwners(`duel${time}`)
    const results = await Promise.allSettled([
      first!.client.changeMemberRole({ id: second!.id, role: 'member' }),
      second!.client.changeMemberRole({ id: first!.id, role: 'member' }),
    ])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' },
    })
  })

  it.each([1, 2, 3])('remains when both leave at once (%i)', async (time) => {
    const owners = await twoOwners(`exodus${time}`)
    const results = await Promise.allSettled(owners.map(({ client }) => client.leaveOrganization({})))
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'CONFLICT', reason: 'LAST_OWNER' },
    })
  })

  it('remains when one leaves while the other is demoted', async () => {
    const [first, second] = await twoOwners('mixed')
    await Promise.allSettled([
      first!.client.leaveOrganization({}),
      first!.client.changeMemberRole({ id: second!.id, role: 'member' }),
    ])
    const owners = await world.rows.use(
      (await world.actor(await world.signIn('second@mixed.test'), 'mixed')).identity.tenant!,
      (db) => db.member.count({ where: { role: 'owner', removedAt: null } }),
    )
    expect(owners).toBe(1)
  })
})

describe('removing a member', () => {
  beforeAll(() => world.organization('removal', 'admin', 'member'))

  it('shuts them out at once, whatever they still hold', async () => {
    await world.join('removal', 'gone@removal.test', 'admin')
    const session = await world.signIn('gone@removal.test')
    const stale = await world.by(session, 'removal')
    const { secret } = await stale.createApiKey({ name: 'left behind', scopes: ['organization:read'] })
    await stale.inviteMember({ email: 'friend@removal.test', role: 'admin' })

    const owner = await world.as('owner@removal.test', 'removal')
    await owner.removeMember({ id: await world.memberId('removal', 'gone@removal.test') })

    await expect(world.actor(session, 'removal')).rejects.toEqual(problem('FORBIDDEN', 'NOT_A_MEMBER'))
    expect((await world.actor(session)).memberships).toEqual([])
    expect(await world.gateway.resolveActor({ credential: secret, slug: null })).toBeNull()
    expect(await owner.invitations({})).toEqual([])
    await expect(stale.createApiKey({ name: 'again', scopes: ['organization:read'] })).rejects.toEqual(
      problem('FORBIDDEN', 'NOT_A_MEMBER'),
    )
    expect(await rolesIn('removal')).toEqual(['admin', 'member', 'owner'])
  })

  it('does not give old keys back to whoever returns', async () => {
    await world.join('removal', 'back@removal.test', 'admin')
    const before = await world.memberId('removal', 'back@removal.test')
    const { secret } = await (await world.as('back@removal.test', 'removal')).createApiKey({
      name: 'old',
      scopes: ['organization:read'],
    })
    await (await world.as('owner@removal.test', 'removal')).removeMember({ id: before })
    await world.join('removal', 'back@removal.test', 'member')
    expect(await world.memberId('removal', 'back@removal.test')).toBe(before)
    expect((await world.actor(await world.signIn('back@removal.test'), 'removal')).identity.role).toBe('member')
    expect(await world.gateway.resolveActor({ credential: secret, slug: null })).toBeNull()
  })

  it('is refused for someone above, and to members', async () => {
    const id = await world.memberId('removal', 'owner@removal.test')
    const attempt = async (who: string) => (await world.as(`${who}@removal.test`, 'removal')).removeMember({ id })
    await expect(attempt('admin')).rejects.toEqual(problem('FORBIDDEN', 'ROLE_TOO_HIGH'))
    await expect(attempt('member')).rejects.toEqual(problem('FORBIDDEN', 'ROLE_REQUIRED'))
  })

  it('happens once', async () => {
    await world.join('removal', 'once@removal.test', 'member')
    const id = await world.memberId('removal', 'once@removal.test')
    const owner = await world.as('owner@removal.test', 'removal')
    const results = await Promise.allSettled([owner.removeMember({ id }), owner.removeMember({ id })])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(owner.changeMemberRole({ id, role: 'admin' })).rejects.toEqual(
      problem('NOT_FOUND', 'MEMBER_NOT_FOUND'),
    )
  })
})

describe('leaving', () => {
  it('is for anyone, and for oneself only: no API key leaves in its maker’s name', async () => {
    await world.organization('leaving', 'admin', 'member')
    const admin = await world.as('admin@leaving.test', 'leaving')
    const { secret } = await admin.createApiKey({ name: 'k', scopes: ['organization:leave'] })
    await expect((await world.by(secret)).leaveOrganization({})).rejects.toEqual(problem('FORBIDDEN', 'USER_ONLY'))
    expect(await (await world.as('member@leaving.test', 'leaving')).leaveOrganization({})).toMatchObject({
      slug: 'leaving',
    })
    await admin.leaveOrganization({})
    expect(await rolesIn('leaving')).toEqual(['owner'])
    await expect(admin.leaveOrganization({})).rejects.toEqual(problem('FORBIDDEN', 'NOT_A_MEMBER'))
  })
})
