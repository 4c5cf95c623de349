import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Slug } from '../src/contract.ts'
import { openWorld, problem, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world?.stop())

describe('creating an organization', () => {
  it('makes the caller its owner', async () => {
    const founder = await world.person('founder@fresh.test')
    const created = await (await world.as('founder@fresh.test')).createOrganization({ name: ' Fresh ', slug: 'fresh' })
    expect(created).toMatchObject({ slug: 'fresh', name: 'Fresh', plan: 'free' })
    const owner = await world.as('founder@fresh.test', 'fresh')
    expect(await owner.organization({})).toEqual(created)
    expect(await owner.members({})).toMatchObject([{ user: founder, role: 'owner' }])
  })

  it('refuses a slug that is taken, also when two take it at once', async () => {
    const people = await Promise.all([world.as('first@slug.test'), world.as('second@slug.test')])
    const results = await Promise.allSettled(
      people.map((person) => person.createOrganization({ name: 'X', slug: 'taken' })),
    )
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(people[0]!.createOrganization({ name: 'X', slug: 'taken' })).rejects.toEqual(
      problem('CONFLICT', 'SLUG_TAKEN'),
    )
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: problem('CONFLICT', 'SLUG_TAKEN'),
    })
  })

  it('leaves nothing behind when the slug is taken', async () => {
    const loser = await world.signIn('loser@slug.test')
    const client = await world.by(loser)
    await client.createOrganization({ name: 'X', slug: 'lost' })
    await client.createOrganization({ name: 'X', slug: 'lost' }).catch(() => {})
    expect((await world.actor(loser)).memberships).toHaveLength(1)
  })

  it.each(['www', 'api', 'app', 'admin', 'graphql'])('keeps the slug %s for the product', async (slug) => {
    const client = await world.as('reserved@slug.test')
    await expect(client.createOrganization({ name: 'X', slug })).rejects.toEqual(
      problem('BAD_USER_INPUT', 'SLUG_RESERVED'),
    )
  })

  it.each([
    'a',
    'Acme',
    'acme_inc',
    '-acme',
    'acme-',
    'ac--me',
    '1acme',
    'äcme',
    'ac\0me',
    'x'.repeat(41),
    ' acme',
    'acme.com',
  ])('takes no slug %j, which is no DNS label of ours', (slug) => expect(Slug.safeParse(slug).success).toBe(false))

  it.each(['', '   ', 'a\0b', 'x'.repeat(101)])('takes no name %j', async (name) => {
    const client = await world.as('reserved@slug.test')
    await expect(client.createOrganization({ name, slug: 'named' })).rejects.toEqual(
      problem('BAD_USER_INPUT', 'INVALID_INPUT'),
    )
  })

  it('is nothing that an API key can do, nor anybody who is not signed in', async () => {
    await world.organization('keyed')
    const { secret } = await (await world.as('owner@keyed.test')).createApiKey({
      name: 'k',
      scopes: ['organization:read'],
    })
    const key = await world.by(secret)
    await expect(key.createOrganization({ name: 'X', slug: 'by-key' })).rejects.toEqual(
      problem('FORBIDDEN', 'USER_ONLY'),
    )
    await expect(world.gateway.createOrganization({ name: 'X', slug: 'by-key' })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  })
})

describe('the plan of an organization', () => {
  let operator: Awaited<ReturnType<World['as']>>
  beforeAll(async () => {
    await world.organization('planned', 'admin', 'member')
    await world.organization('beside')
    const id = await world.person('operator@staff.test')
    await world.rows.global.user.update({ where: { id }, data: { operator: true } })
    operator = await world.as('operator@staff.test')
  })

  const planOf = async (slug: string) =>
    (await world.actor(await world.signIn(`owner@${slug}.test`), slug)).identity.plan

  it('is changed by the staff of the product, counts from the next request on, and for nobody else', async () => {
    const changed = await operator.changePlan({ slug: 'planned', plan: 'pro' })
    expect(changed).toEqual(await (await world.as('member@planned.test', 'planned')).organization({}))
    expect([changed.plan, await planOf('planned'), await planOf('beside')]).toEqual(['pro', 'pro', 'free'])
    const { memberships, identity } = await world.actor(await world.signIn('member@planned.test'))
    expect([memberships[0]!.organization.plan, identity.plan]).toEqual(['pro', 'pro'])
  })

  it('is none of somebody who acts in no organization', async () => {
    expect((await world.actor(await world.signIn('operator@staff.test'))).identity).toMatchObject({
      tenant: null,
      plan: null,
    })
  })

  it('stands in the organization’s audit log when it changes, with who changed it', async () => {
    const owner = await world.as('owner@planned.test', 'planned')
    const { id } = await owner.organization({})
    const changes = async () =>
      (await owner.auditLog({ first: 100 })).items.filter(({ action }) => action === 'organization.plan-changed')
    const before = await changes()
    for (let turn = 0; turn < 2; turn++) await operator.changePlan({ slug: 'planned', plan: 'enterprise' })
    const after = await changes()
    expect(after).toHaveLength(before.length + 1)
    expect(after[0]).toMatchObject({
      actor: { kind: 'user', id: await world.person('operator@staff.test') },
      target: { type: 'organization', id },
    })
  })

  it('is changed by no member, in whatever role, and by no key, not even a member of the staff’s', async () => {
    const before = await planOf('planned')
    const staff = await world.signIn('operator@staff.test')
    await world.join('beside', 'operator@staff.test', 'owner')
    const { secret } = await (await world.by(staff, 'beside')).createApiKey({
      name: 'k',
      scopes: ['organization:read'],
    })
    const others = ['owner', 'admin', 'member'].map((role) => world.as(`${role}@planned.test`, 'planned'))
    for (const other of await Promise.all([...others, world.by(secret)])) {
      await expect(other.changePlan({ slug: 'planned', plan: 'free' })).rejects.toEqual(
        problem('FORBIDDEN', 'OPERATOR_ONLY'),
      )
    }
    expect(await planOf('planned')).toBe(before)
  })

  it('is one of those that there are, of an organization that there is', async () => {
    await expect(operator.changePlan({ slug: 'nowhere', plan: 'pro' })).rejects.toEqual(
      problem('NOT_FOUND', 'ORGANIZATION_NOT_FOUND'),
    )
    await expect(operator.changePlan({ slug: 'planned', plan: 'platinum' as never })).rejects.toEqual(
      problem('BAD_USER_INPUT', 'INVALID_INPUT'),
    )
  })
})

describe('looking users up', () => {
  beforeAll(() => world.organization('looking', 'member'))

  it('finds who is or was a member, in the order asked for, and nobody else', async () => {
    const stranger = await world.person('stranger@looking.test')
    const [owner, member] = [await world.person('owner@looking.test'), await world.person('member@looking.test')]
    await (await world.as('member@looking.test', 'looking')).leaveOrganization({})
    const client = await world.as('owner@looking.test', 'looking')
    const never = '0197f000-0000-7000-8000-000000000000' as typeof owner
    expect(await client.usersByIds({ ids: [member, stranger, owner, never] })).toMatchObject([
      { id: member, email: 'member@looking.test' },
      null,
      { id: owner },
      null,
    ])
  })

  it('takes two statements, for however many', async () => {
    const client = await world.as('owner@looking.test', 'looking')
    const ids = [await world.person('owner@looking.test'), await world.person('member@looking.test')]
    world.app.statements.length = 0
    await client.usersByIds({ ids })
    expect(world.app.statements).toHaveLength(2)
  })
})
