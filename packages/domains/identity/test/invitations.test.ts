import type { TenantId } from '@offshoot/rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InvitationId } from '../src/contract.ts'
import { openWorld, problem, type World } from './world.ts'

let world: World
let tenant: TenantId
beforeAll(async () => {
  world = await openWorld()
  await world.organization('inviting', 'admin', 'member')
  tenant = (await world.actor(await world.signIn('owner@inviting.test'), 'inviting')).identity.tenant!
})
afterAll(() => world?.stop())

const owner = () => world.as('owner@inviting.test', 'inviting')
const invite = async (email: string) => (await (await owner()).inviteMember({ email, role: 'member' })).id
const accept = async (email: string, id: InvitationId) => (await world.as(email)).acceptInvitation({ id })
const notFound = problem('NOT_FOUND', 'INVITATION_NOT_FOUND')
const expire = () =>
  world.rows.use(tenant, (db) => db.invitation.updateMany({ data: { expiresAt: new Date(Date.now() - 1) } }))

describe('an invitation', () => {
  it('makes the invited a member, once, in the role that was offered', async () => {
    await world.person('new@invited.test')
    const { id } = await (await owner()).inviteMember({ email: 'New@Invited.test', role: 'admin' })
    expect(await accept('new@invited.test', id)).toMatchObject({ id: tenant, slug: 'inviting' })
    expect((await world.actor(await world.signIn('new@invited.test'))).identity).toMatchObject({
      tenant,
      role: 'admin',
    })
    await expect(accept('new@invited.test', id)).rejects.toEqual(problem('CONFLICT', 'ALREADY_MEMBER'))
    await (await world.as('new@invited.test', 'inviting')).leaveOrganization({})
    await expect(accept('new@invited.test', id)).rejects.toEqual(notFound)
  })

  it('is mailed to the address, and to nobody else', async () => {
    const id = await invite('mailed@invited.test')
    await expect
      .poll(() => world.app.mailer.caught![0])
      .toMatchObject({ to: 'mailed@invited.test', text: expect.stringContaining(id) })
  })

  it('does nothing for another address', async () => {
    const id = await invite('invited@invited.test')
    await world.person('thief@invited.test')
    await expect(accept('thief@invited.test', id)).rejects.toEqual(notFound)
    await expect(accept('owner@inviting.test', id)).rejects.toEqual(notFound)
  })

  it('does nothing until the address is verified, and says the same whether there is an invitation or not', async () => {
    await world.person('unverified@invited.test', { verified: false })
    const id = await invite('unverified@invited.test')
    const other = await invite('someone-else@invited.test')
    for (const any of [id, other, 'no invitation' as InvitationId]) {
      await expect(accept('unverified@invited.test', any)).rejects.toEqual(problem('FORBIDDEN', 'EMAIL_NOT_VERIFIED'))
    }
    await world.rows.global.user.updateMany({
      where: { email: 'unverified@invited.test' },
      data: { emailVerified: true },
    })
    await accept('unverified@invited.test', id)
  })

  it('makes one membership of many acceptances at once', async () => {
    await world.person('eager@invited.test')
    const id = await invite('eager@invited.test')
    const client = await world.as('eager@invited.test')
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => client.acceptInvitation({ id })))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const entries = await world.rows.use(tenant, async (db) => {
      const member = await db.member.findUniqueOrThrow({ where: { userId: await world.person('eager@invited.test') } })
      return db.auditEntry.findMany({ where: { action: 'member.joined', targetId: member.id } })
    })
    expect(entries).toHaveLength(1)
  })

  it('is either accepted or revoked when both happen at once', async () => {
    await world.person('contested@invited.test')
    const id = await invite('contested@invited.test')
    const [guest, host] = await Promise.all([world.as('contested@invited.test'), owner()])
    const results = await Promise.allSettled([guest.acceptInvitation({ id }), host.revokeInvitation({ id })])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('is over when it has expired, and makes room for another', async () => {
    await world.person('late@invited.test')
    const id = await invite('late@invited.test')
    await expire()
    await expect(accept('late@invited.test', id)).rejects.toEqual(notFound)
    await expect((await owner()).revokeInvitation({ id })).rejects.toEqual(notFound)
    expect(await (await owner()).invitations({})).toEqual([])
    await accept('late@invited.test', await invite('late@invited.test'))
  })

  it('is over when it was revoked', async () => {
    await world.person('revoked@invited.test')
    const id = await invite('revoked@invited.test')
    expect(await (await owner()).revokeInvitation({ id })).toMatchObject({ id, email: 'revoked@invited.test' })
    await expect(accept('revoked@invited.test', id)).rejects.toEqual(notFound)
    await expect((await owner()).revokeInvitation({ id })).rejects.toEqual(notFound)
    expect(await (await owner()).invitations({})).toEqual([])
  })

  it.each(['', 'x', 'ä', '\0', `${'A'.repeat(42)}B`, '../..', '00000000-0000-0000-0000-000000000000'])(
    'is not found under %j, which is no id',
    async (id) => {
      await world.person('guesser@invited.test')
      await expect(accept('guesser@invited.test', id as InvitationId)).rejects.toEqual(notFound)
    },
  )

  it('takes no transaction in a tenant for somebody who is not invited', async () => {
    const id = await invite('target@invited.test')
    await world.person('thief@invited.test')
    const thief = await world.as('thief@invited.test')
    world.app.statements.length = 0
    await thief.acceptInvitation({ id }).catch(() => {})
    expect(world.app.statements.map(({ sql }) => sql).filter((sql) => /for update|^begin/i.test(sql))).toEqual([])
  })
})

describe('inviting', () => {
  it('offers no role above one’s own', async () => {
    const admin = await world.as('admin@inviting.test', 'inviting')
    await expect(admin.inviteMember({ email: 'a@invited.test', role: 'owner' })).rejects.toEqual(
      problem('FORBIDDEN', 'ROLE_TOO_HIGH'),
    )
    await expect(
      (await world.as('member@inviting.test', 'inviting')).inviteMember({ email: 'a@invited.test', role: 'member' }),
    ).rejects.toEqual(problem('FORBIDDEN', 'ROLE_REQUIRED'))
  })

  it('refuses who is a member, and who is invited already, also at once', async () => {
    await expect(invite('member@inviting.test')).rejects.toEqual(problem('CONFLICT', 'ALREADY_MEMBER'))
    const results = await Promise.allSettled([invite('twice@invited.test'), invite('TWICE@invited.test')])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: problem('CONFLICT', 'ALREADY_INVITED'),
    })
  })

  it('answers alike for an address with an account and for one without', async () => {
    await world.person('known@invited.test')
    const answers = []
    for (const email of ['known@invited.test', 'unknown@invited.test']) {
      const client = await owner()
      world.app.statements.length = 0
      const { role, invitedBy } = await client.inviteMember({ email, role: 'member' })
      answers.push({ role, invitedBy, statements: world.app.statements.length })
    }
    expect(answers[0]).toEqual(answers[1])
  })

  it.each(['', 'nobody', 'a@b', 'a\0@invited.test', `${'a'.repeat(250)}@invited.test`])(
    'refuses %j as an address',
    async (email) => {
      await expect(invite(email)).rejects.toEqual(problem('BAD_USER_INPUT', 'INVALID_INPUT'))
    },
  )
})
