import type { Role } from '@offshoot/rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorld, problem, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
  await world.organization('keys', 'admin', 'member')
  await world.organization('elsewhere')
})
afterAll(() => world?.stop())

const as = (who: string) => world.as(`${who}@keys.test`, 'keys')
const resolve = (credential: string, slug: string | null = null) => world.gateway.resolveActor({ credential, slug })
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()

describe('an API key', () => {
  it('acts for its maker, in its tenant, within its scopes', async () => {
    const { apiKey, secret } = await (await as('admin')).createApiKey({ name: 'reader', scopes: ['organization:read'] })
    const actor = await world.actor(secret)
    expect(actor.identity).toEqual({
      actor: { kind: 'key', id: apiKey.id, user: await world.person('admin@keys.test') },
      tenant: expect.any(String),
      plan: 'free',
      role: 'admin',
      scopes: ['organization:read'],
    })
    const key = await world.by(secret)
    expect(await key.organization({})).toMatchObject({ slug: 'keys' })
    await expect(key.inviteMember({ email: 'x@keys.test', role: 'member' })).rejects.toEqual(
      problem('FORBIDDEN', 'SCOPE_REQUIRED'),
    )
  })

  it('is shown once: what is stored and listed does not contain it', async () => {
    const { apiKey, secret } = await (await as('owner')).createApiKey({ name: 'once', scopes: ['organization:read'] })
    expect(secret).toMatch(/^ofs_[\w-]{72}$/)
    const listed = (await (await as('owner')).apiKeys({})).find(({ id }) => id === apiKey.id)
    expect(listed).toEqual(apiKey)
    expect(JSON.stringify(listed)).not.toContain(secret.slice(apiKey.prefix.length))
    expect(secret.startsWith(apiKey.prefix)).toBe(true)
    const row = await world.rows.use((await world.actor(secret)).identity.tenant!, (db) =>
      db.apiKey.findUniqueOrThrow({ where: { id: apiKey.id } }),
    )
    expect(JSON.stringify(row)).not.toContain(secret.slice(12))
    expect(row.hash).toHaveLength(32)
  })

  it('is good for nothing after it was revoked', async () => {
    const { apiKey, secret } = await (await as('owner')).createApiKey({ name: 'brief', scopes: ['organization:read'] })
    const revoked = await (await as('admin')).revokeApiKey({ id: apiKey.id })
    expect(revoked.revokedAt).not.toBeNull()
    expect(await resolve(secret)).toBeNull()
    expect(await (await as('admin')).revokeApiKey({ id: apiKey.id })).toEqual(revoked)
  })

  it('is good for nothing after it has expired', async () => {
    const { apiKey, secret } = await (await as('owner')).createApiKey({
      name: 'short',
      scopes: ['organization:read'],
      expiresAt: inMs(60_000),
    })
    const { tenant } = (await world.actor(secret)).identity
    await world.rows.use(tenant!, (db) =>
      db.apiKey.update({ where: { id: apiKey.id }, data: { expiresAt: new Date(Date.now() - 1) } }),
    )
    expect(await resolve(secret)).toBeNull()
  })

  it('opens no other tenant, not even one that its maker belongs to', async () => {
    await world.join('elsewhere', 'admin@keys.test', 'admin')
    const { secret } = await (await as('admin')).createApiKey({ name: 'bound', scopes: ['organization:read'] })
    expect((await world.actor(secret)).memberships.map(({ organization }) => organization.slug)).toEqual(['keys'])
    await expect(resolve(secret, 'elsewhere')).rejects.toEqual(problem('FORBIDDEN', 'NOT_A_MEMBER'))
    await expect(resolve(secret, 'does-not-exist')).rejects.toEqual(problem('FORBIDDEN', 'NOT_A_MEMBER'))
  })

  it('is nothing when one character of it differs, or its tenant is exchanged', async () => {
    const { secret } = await (await as('owner')).createApiKey({ name: 'exact', scopes: ['organization:read'] })
    const { secret: foreign } = await (await world.as('owner@elsewhere.test', 'elsewhere')).createApiKey({
      name: 'f',
      scopes: ['organization:read'],
    })
    const swapped = secret.slice(0, 12) + foreign.slice(12, 33) + secret.slice(33)
    for (const wrong of [
      `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`,
      swapped,
      secret.slice(0, -1),
      `${secret}A`,
      'ofs_',
      `ofs_${'A'.repeat(72)}`,
    ]) {
      expect(await resolve(wrong)).toBeNull()
    }
  })

  it('never outgrows its maker: it acts with the role that the maker has now', async () => {
    await world.join('keys', 'falling@keys.test', 'admin')
    const { secret } = await (await as('falling')).createApiKey({
      name: 'k',
      scopes: ['member:invite', 'organization:read'],
    })
    const change = async (role: Role) =>
      (await as('owner')).changeMemberRole({ id: await world.memberId('keys', 'falling@keys.test'), role })
    const stale = await world.by(secret)
    await change('member')
    expect((await world.actor(secret)).identity.role).toBe('member')
    await expect((await world.by(secret)).inviteMember({ email: 'y@keys.test', role: 'member' })).rejects.toEqual(
      problem('FORBIDDEN', 'ROLE_REQUIRED'),
    )
    await expect(stale.inviteMember({ email: 'y@keys.test', role: 'member' })).rejects.toEqual(
      problem('FORBIDDEN', 'ROLE_REQUIRED'),
    )
  })

  it('is good for nothing while its maker is no member, even if nobody revoked it', async () => {
    await world.join('keys', 'away@keys.test', 'admin')
    const { secret } = await (await as('away')).createApiKey({ name: 'k', scopes: ['organization:read'] })
    const { tenant } = (await world.actor(secret)).identity
    const userId = await world.person('away@keys.test')
    await world.rows.use(tenant!, (db) => db.member.update({ where: { userId }, data: { removedAt: new Date() } }))
    expect(await resolve(secret)).toBeNull()
  })

  it('makes no keys', async () => {
    const { secret } = await (await as('owner')).createApiKey({ name: 'manager', scopes: ['api-key:manage'] })
    const key = await world.by(secret)
    await expect(key.createApiKey({ name: 'child', scopes: ['organization:read'] })).rejects.toEqual(
      problem('FORBIDDEN', 'USER_ONLY'),
    )
  })

  it('gives nobody a role above its maker’s', async () => {
    const { secret } = await (await as('admin')).createApiKey({
      name: 'manager',
      scopes: ['member:manage', 'member:invite'],
    })
    const key = await world.by(secret)
    await expect(key.inviteMember({ email: 'z@keys.test', role: 'owner' })).rejects.toEqual(
      problem('FORBIDDEN', 'ROLE_TOO_HIGH'),
    )
    const id = await world.memberId('keys', 'admin@keys.test')
    await expect(key.changeMemberRole({ id, role: 'owner' })).rejects.toEqual(problem('FORBIDDEN', 'ROLE_TOO_HIGH'))
  })
})

describe('making an API key', () => {
  const make = async (who: string, scopes: string[], expiresAt?: string) =>
    (await as(who)).createApiKey({ name: 'k', scopes, expiresAt })

  it.each(['nonsense', '__proto__', 'constructor', ''])('knows no scope %j', async (scope) => {
    await expect(make('owner', ['organization:read', scope])).rejects.toEqual(
      problem('BAD_USER_INPUT', 'SCOPE_UNKNOWN'),
    )
  })

  it('gives no scope that the maker’s role does not have', async () => {
    await expect(make('admin', ['audit-log:read'])).rejects.toEqual(problem('FORBIDDEN', 'SCOPE_TOO_WIDE'))
    await expect(make('member', ['organization:read'])).rejects.toEqual(problem('FORBIDDEN', 'ROLE_REQUIRED'))
  })

  it('refuses an expiry in the past, no scopes and odd names', async () => {
    await expect(make('owner', ['organization:read'], inMs(-1))).rejects.toEqual(
      problem('BAD_USER_INPUT', 'EXPIRY_IN_PAST'),
    )
    await expect(make('owner', [])).rejects.toEqual(problem('BAD_USER_INPUT', 'INVALID_INPUT'))
    await expect((await as('owner')).createApiKey({ name: 'a\0b', scopes: ['organization:read'] })).rejects.toEqual(
      problem('BAD_USER_INPUT', 'INVALID_INPUT'),
    )
  })

  it('keeps each scope once', async () => {
    const { apiKey } = await make('owner', ['organization:read', 'member:invite', 'organization:read'])
    expect(apiKey.scopes).toEqual(['member:invite', 'organization:read'])
  })
})
