import { edge } from '@offshoot/rpc'
import { tenantId, userId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identity } from '../src/contract.ts'
import { openWorld, problem, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld({ seed: true })
  await world.organization('alone')
  await world.organization('more')
  await world.join('more', 'owner@alone.test', 'member')
})
afterAll(() => world?.stop())

const resolve = (credential: string, slug: string | null = null) => world.gateway.resolveActor({ credential, slug })

describe('a session', () => {
  it('belongs to its user, who acts as what they are in the tenant that is named', async () => {
    const session = await world.signIn('owner@alone.test')
    const found = await resolve(session, 'more')
    expect(found).toMatchObject({
      identity: { actor: { kind: 'user', operator: false }, role: 'member', scopes: null },
      user: { email: 'owner@alone.test', emailVerified: true },
    })
    expect(found!.memberships.map(({ organization, role }) => [organization.slug, role])).toEqual([
      ['alone', 'owner'],
      ['more', 'member'],
    ])
    expect((await resolve(session, 'alone'))!.identity.role).toBe('owner')
  })

  it('means the only tenant when none is named, and none when there are several or there is none', async () => {
    expect((await resolve(await world.signIn('owner@more.test')))!.identity.role).toBe('owner')
    expect((await resolve(await world.signIn('owner@alone.test')))!.identity).toMatchObject({
      tenant: null,
      role: null,
    })
    expect((await resolve(await world.signIn('nowhere@alone.test')))!.identity).toMatchObject({
      tenant: null,
      role: null,
    })
  })

  it('asks the database once', async () => {
    const session = await world.signIn('owner@more.test')
    world.app.statements.length = 0
    await resolve(session, 'more')
    expect(world.app.statements).toEqual([]) // what goes through lanes; the one read before a tenant is known does not
  })

  it('is over when it has expired or was ended', async () => {
    expect(await resolve(await world.signIn('owner@more.test', { expiresAt: new Date(Date.now() - 1) }))).toBeNull()
    const ended = await world.signIn('owner@more.test')
    await world.rows.global.session.deleteMany({ where: { token: ended.split('.')[0] } })
    expect(await resolve(ended)).toBeNull()
  })

  it('is not believed without our signature', async () => {
    const session = await world.signIn('owner@more.test')
    const [token, signature] = session.split('.') as [string, string]
    const forged = `${signature.slice(0, -3)}${signature.at(-3) === 'A' ? 'B' : 'A'}${signature.slice(-2)}`
    const guesses = [
      token,
      `${token}.`,
      `${token}.${forged}`,
      `${token}.AAAA`,
      `x${session}`,
      `${session}.x`,
      `.${signature}`,
      '',
      '.',
      'null',
      '\0',
    ]
    for (const guess of guesses) expect(await resolve(guess)).toBeNull()
    expect(await resolve(encodeURIComponent(session))).not.toBeNull()
  })
})

describe('a tenant’s name', () => {
  it('is answered alike for a tenant of others and for none at all', async () => {
    const session = await world.signIn('owner@more.test')
    const answers = []
    for (const slug of ['alone', 'does-not-exist', '', 'MORE', 'mo\0re', 'more\0', "' or 1=1 --", 'ä'.repeat(50)]) {
      answers.push(
        await resolve(session, slug).then(
          () => 'found',
          ({ code, reason, message, data }) => JSON.stringify({ code, reason, message, data }),
        ),
      )
    }
    expect(new Set(answers).size).toBe(1)
    expect(JSON.parse(answers[0]!)).toMatchObject({ code: 'FORBIDDEN', reason: 'NOT_A_MEMBER' })
  })

  it('is no matter for a credential that is none', async () => {
    expect(await resolve('nonsense', 'more')).toBeNull()
  })
})

describe('the demo data', () => {
  it('can be planted again without a change', async () => {
    const before = await world.app.client(identity).members({})
    await world.app.host.seed()
    expect(await world.app.client(identity).members({})).toEqual(before)
    expect(before).toHaveLength(3)
    expect(await world.app.client(identity).organization({})).toMatchObject({ id: tenantId('acme'), slug: 'acme' })
  })

  it('has an operator, who belongs to no tenant by that', async () => {
    const { email } = await world.rows.global.user.findUniqueOrThrow({
      where: { id: userId('operator@offshoot.test') },
    })
    expect(email).toBe('operator@offshoot.test')
  })
})

describe('asking who a credential belongs to', () => {
  it('is for the gateway alone', async () => {
    const owner = await world.as('owner@more.test')
    await expect(owner.resolveActor({ credential: 'x', slug: null })).rejects.toEqual(problem('FORBIDDEN', 'EDGE_ONLY'))
    expect(edge.actor.kind).toBe('edge')
  })
})
