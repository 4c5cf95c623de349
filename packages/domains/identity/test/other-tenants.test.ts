import { type Client, metaOf } from '@offshoot/rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identity } from '../src/contract.ts'
import { openWorld, type World } from './world.ts'

type Calls = Client<typeof identity>
interface Ids {
  user: string
  tenant: string
  slug: string
  member: string
  invitation: string
  apiKey: string
  auditEntry: string
}

/** How to ask each call about a thing of somebody else; null where its input names no thing. A call that is missing here does not compile. */
const asking: { [K in keyof Calls]: ((client: Calls, ids: Ids) => Promise<unknown>) | null } = {
  resolveActor: null,
  usersByIds: (client, { user }) => client.usersByIds({ ids: [user] }),
  organization: null,
  organizationsByIds: (client, { tenant }) => client.organizationsByIds({ ids: [tenant] }),
  members: null,
  invitations: null,
  apiKeys: null,
  auditLog: (client, { auditEntry }) => client.auditLog({ first: 100, after: auditEntry }),
  createOrganization: null,
  changePlan: (client, { slug }) => client.changePlan({ slug, plan: 'pro' }),
  acceptInvitation: (client, { invitation }) => client.acceptInvitation({ id: invitation }),
  inviteMember: null,
  revokeInvitation: (client, { invitation }) => client.revokeInvitation({ id: invitation }),
  changeMemberRole: (client, { member }) => client.changeMemberRole({ id: member, role: 'member' }),
  removeMember: (client, { member }) => client.removeMember({ id: member }),
  leaveOrganization: null,
  createApiKey: null,
  revokeApiKey: (client, { apiKey }) => client.revokeApiKey({ id: apiKey }),
}

let world: World
let real: Ids
let never: Ids
beforeAll(async () => {
  world = await openWorld()
  await world.organization('mine')
  await world.organization('theirs', 'admin')
  const them = await world.as('owner@theirs.test', 'theirs')
  const tenant = (await them.organization({})).id
  const { id: invitation } = await them.inviteMember({ email: 'guest@theirs.test', role: 'member' })
  const { apiKey } = await them.createApiKey({ name: 'k', scopes: ['organization:read'] })
  const { items } = await them.auditLog({ first: 100 })
  real = {
    user: await world.person('owner@theirs.test'),
    tenant,
    slug: 'theirs',
    member: await world.memberId('theirs', 'admin@theirs.test'),
    invitation,
    apiKey: apiKey.id,
    auditEntry: items.at(-1)!.id,
  }
  // Ids of the same times as theirs, that nobody ever had.
  const altered = (id: string) => `${id.slice(0, -4)}${id.endsWith('0000') ? '0001' : '0000'}`
  never = {
    user: altered(real.user),
    tenant: altered(real.tenant),
    slug: 'nobodys',
    member: altered(real.member),
    invitation: `${real.invitation.slice(0, -4)}AAAA`,
    apiKey: altered(real.apiKey),
    auditEntry: altered(real.auditEntry),
  }
})
afterAll(() => world?.stop())

async function answer(ask: (client: Calls, ids: Ids) => Promise<unknown>, ids: Ids): Promise<unknown> {
  const mine = await world.as('owner@mine.test', 'mine')
  return ask(mine, ids).then(
    (value) => ({ value }),
    ({ code, reason, message, data }) => ({ code, reason, message, data }),
  )
}

describe('a thing of another tenant', () => {
  const asked = Object.entries(asking).filter(([, ask]) => ask !== null)

  it.each(asked)('is to %s as one that never existed', async (_, ask) => {
    expect(await answer(ask!, real)).toEqual(await answer(ask!, never))
  })

  it('is untouched by all that asking', async () => {
    const them = await world.as('owner@theirs.test', 'theirs')
    expect(await them.organization({})).toMatchObject({ plan: 'free' })
    expect(await them.members({})).toHaveLength(2)
    expect(await them.invitations({})).toHaveLength(1)
    expect(await them.apiKeys({})).toMatchObject([{ revokedAt: null }])
  })

  it('is in none of one’s own lists', async () => {
    const mine = await world.as('owner@mine.test', 'mine')
    expect(await mine.members({})).toHaveLength(1)
    expect(await mine.invitations({})).toEqual([])
    expect(await mine.apiKeys({})).toEqual([])
    const { items } = await mine.auditLog({ first: 100 })
    expect(items.map(({ action }) => action)).toEqual(['organization.created'])
  })
})

describe('every call in a tenant', () => {
  const inTenant = Object.entries(identity.calls).filter(([, call]) => metaOf(call).audience === 'tenant')

  it.each(inTenant)('%s wants to know which tenant, and who', async (name) => {
    const call = name as 'organization'
    const nobody = world.app.client(identity, {
      identity: { actor: { kind: 'anonymous' }, tenant: null, plan: null, role: null, scopes: null },
    })
    await expect(nobody[call]({})).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect((await world.as('nowhere@mine.test'))[call]({})).rejects.toMatchObject({ reason: 'TENANT_REQUIRED' })
  })

  it.each(inTenant.filter(([name]) => asking[name as keyof Calls]))(
    '%s names the tenant in every statement',
    async (name) => {
      const mine = await world.as('owner@mine.test', 'mine')
      const { id: tenant } = await mine.organization({})
      world.app.statements.length = 0
      await asking[name as keyof Calls]!(mine, real).catch(() => {})
      for (const statement of world.app.statements) expect(statement.tenant).toBe(tenant)
    },
  )
})
