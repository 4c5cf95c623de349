import { request } from 'node:http'
import { demo } from '@offshoot/host'
import { tenantId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type Asking, type TestGateway, testGateway } from './gateway.ts'

let gateway: TestGateway
/** Another process of the same product. */
let other: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
  other = await testGateway({ beside: gateway })
})
afterAll(async () => {
  await other.close()
  await gateway.close()
})

const organization = '{ organization { slug } }'
const own = (slug: string) => ({ data: { organization: { slug } }, errors: undefined })
const refused = (code: string, reason: string) => ({ errors: [{ extensions: { code, reason } }] })
const invalid = refused('UNAUTHENTICATED', 'INVALID_CREDENTIAL')
const notAMember = refused('FORBIDDEN', 'NOT_A_MEMBER')
const roleRequired = refused('FORBIDDEN', 'ROLE_REQUIRED')

/** A session of its own, which may be ended. */
async function freshSession(email: string, password: string = demo.password) {
  const response = await gateway.post('/api/auth/sign-in/email', { email, password })
  expect(response.status).toBe(200)
  const cookie = response.headers.getSetCookie().find((cookie) => cookie.startsWith('offshoot_session='))!
  return { token: response.headers.get('set-auth-token')!, cookie }
}

async function apiKey(scopes: string[], as: Asking = {}) {
  const token = as.token ?? (await gateway.signIn('owner@acme.test'))
  const query =
    'mutation ($scopes: [String!]!) { createApiKey(input: { name: "key", scopes: $scopes }) { secret apiKey { id } } }'
  const { data, errors } = await gateway.ask(query, { scopes }, { token, tenant: as.tenant ?? 'acme' })
  expect(errors).toBeUndefined()
  return { token: data.createApiKey.secret as string, id: data.createApiKey.apiKey.id as string }
}

describe('a request without a credential', () => {
  it('is nobody’s: `me` is null, and everything else wants one', async () => {
    const answer = await gateway.ask('{ me { id } organization { id } operations { outboxLag { domain } } }')
    expect(answer.data).toEqual({ me: null, organization: null, operations: null })
    expect(answer.errors!.map(({ path }) => path).sort()).toEqual([['operations'], ['organization']])
    for (const { extensions } of answer.errors!)
      expect(extensions).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'SIGN_IN_REQUIRED' })
    const unauthenticated = refused('UNAUTHENTICATED', 'SIGN_IN_REQUIRED')
    expect(await gateway.ask(organization, {}, { tenant: 'acme' })).toMatchObject(unauthenticated)
    const create = 'mutation { createOrganization(input: { name: "N", slug: "nobodys" }) { id } }'
    expect(await gateway.ask(create)).toMatchObject(unauthenticated)
  })
})

describe('a credential that is none', () => {
  it('is refused, by `me` as well', async () => {
    const { token } = await freshSession('owner@acme.test')
    const [id, signature] = token.split('.') as [string, string]
    const bad = [
      'x',
      'null',
      `${id}.`,
      id,
      `${id}.${signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}`,
      `${id.slice(1)}.${signature}`,
      `${token}.${signature}`,
      `ofs_${'A'.repeat(72)}`,
      'ofs_',
      'x'.repeat(4_000),
      `' OR 1=1 --`,
    ]
    for (const credential of bad) {
      const answer = await gateway.ask('{ me { id } }', {}, { token: credential })
      expect(answer, credential).toMatchObject({ data: { me: null }, ...invalid })
    }
    for (const authorization of ['', 'Bearer', `Basic ${token}`, `Bearer ${token} x`, `Token ${token}`])
      expect(await gateway.ask(organization, {}, { headers: { authorization } }), authorization).toMatchObject(invalid)
    expect(await gateway.ask(organization, {}, { headers: { authorization: `bearer  ${token}` } })).toMatchObject(
      own('acme'),
    )
  })
})

describe('a session', () => {
  it('is good for nothing once it has expired or has been ended', async () => {
    const { token } = await freshSession('owner@acme.test')
    expect(await gateway.ask(organization, {}, { token })).toMatchObject(own('acme'))
    const row = [token.split('.')[0]]
    await gateway.database.admin(
      `UPDATE identity.session SET expires_at = now() - interval '1 s' WHERE token = $1`,
      row,
    )
    expect(await gateway.ask(organization, {}, { token })).toMatchObject(invalid)

    const second = await freshSession('owner@acme.test')
    const ended = await gateway.post('/api/auth/sign-out', {}, { authorization: `Bearer ${second.token}` })
    expect(ended.status).toBe(200)
    for (const process of [gateway, other])
      expect(await process.ask(organization, {}, { token: second.token })).toMatchObject(invalid)
  })
})

describe('the cookie of a session', () => {
  it('does what the token does, and scripts cannot read it', async () => {
    const { cookie } = await freshSession('owner@acme.test')
    expect(cookie).toMatch(/; HttpOnly/)
    expect(cookie).toMatch(/; SameSite=Lax/)
    const headers = { cookie: `other=1; ${cookie.split(';')[0]}; more=2` }
    expect(await gateway.ask(organization, {}, { headers })).toMatchObject(own('acme'))
    const globex = await gateway.signIn('owner@globex.test')
    expect(await gateway.ask(organization, {}, { token: globex, headers })).toMatchObject(own('globex'))
    expect(await gateway.ask(organization, {}, { token: 'x', headers })).toMatchObject(invalid)
  })

  it('is of no use to pages of another origin', async () => {
    const { token, cookie } = await freshSession('owner@acme.test')
    const { port } = new URL(gateway.url)
    const asked = (headers: Record<string, string>) =>
      gateway.ask(organization, {}, { headers: { cookie: cookie.split(';')[0]!, ...headers } })
    for (const origin of [
      'https://evil.example',
      'null',
      `http://localhost:${Number(port) + 1}`,
      `${gateway.url}.evil.example`,
    ])
      expect(await asked({ origin }), origin).toMatchObject(refused('FORBIDDEN', 'FOREIGN_ORIGIN'))
    expect(await asked({ 'sec-fetch-site': 'cross-site' })).toMatchObject(refused('FORBIDDEN', 'FOREIGN_ORIGIN'))

    for (const origin of [gateway.url, `http://127.0.0.1:${port}`])
      expect(await asked({ origin })).toMatchObject(own('acme'))
    const bearer = { authorization: `Bearer ${token}`, origin: 'https://evil.example' }
    expect(await asked(bearer)).toMatchObject(own('acme'))
  })

  it('is given to no page of another origin either', async () => {
    const signIn = { email: 'owner@acme.test', password: demo.password }
    for (const origin of ['https://evil.example', 'null']) {
      const response = await gateway.post('/api/auth/sign-in/email', signIn, { origin })
      expect(response.status).toBe(403)
      expect(response.headers.getSetCookie()).toEqual([])
      expect(response.headers.get('set-auth-token')).toBeNull()
    }
    expect((await gateway.post('/api/auth/sign-in/email', signIn, { origin: gateway.url })).status).toBe(200)
  })
})

describe('the tenant of a request', () => {
  const ofHost = (host: string, token: string, headers: Record<string, string> = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const { port } = new URL(gateway.url)
      const sent = { host, 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers }
      request({ host: '127.0.0.1', port, path: '/graphql', method: 'POST', headers: sent }, async (response) => {
        const chunks = await response.toArray()
        resolve(JSON.parse(Buffer.concat(chunks).toString()))
      })
        .on('error', reject)
        .end(JSON.stringify({ query: organization }))
    })

  it('is told by the host name', async () => {
    const { port } = new URL(gateway.url)
    const token = await gateway.signIn('both@offshoot.test')
    expect((await ofHost(`acme.localhost:${port}`, token)).data).toEqual({ organization: { slug: 'acme' } })
    expect((await ofHost(`GLOBEX.localhost:${port}`, token)).data).toEqual({ organization: { slug: 'globex' } })
    expect((await ofHost(`acme.localhost:${port}`, token, { 'x-tenant': 'globex' })).data).toEqual({
      organization: { slug: 'globex' },
    })
    expect(await ofHost(`localhost:${port}`, token)).toMatchObject(refused('BAD_USER_INPUT', 'TENANT_REQUIRED'))
    const forwarded = { 'x-forwarded-host': 'acme.localhost' }
    expect(await ofHost(`localhost:${port}`, token, forwarded)).toMatchObject(
      refused('BAD_USER_INPUT', 'TENANT_REQUIRED'),
    )
  })

  it('is never one that the actor does not belong to, whatever a request claims', async () => {
    const { port } = new URL(gateway.url)
    const token = await gateway.signIn('owner@acme.test')
    expect(await ofHost(`globex.localhost:${port}`, token)).toMatchObject(notAMember)
    expect(await ofHost(`nowhere.localhost:${port}`, token)).toMatchObject(notAMember)
    for (const tenant of [
      'globex',
      'GLOBEX',
      'acme, globex',
      tenantId('globex'),
      tenantId('acme'),
      'x'.repeat(200),
      '%',
      `acme' --`,
    ])
      expect(await gateway.ask(organization, {}, { token, tenant }), tenant).toMatchObject(notAMember)
    const headers = { 'x-tenant-id': tenantId('globex'), tenant: 'globex', 'x-role': 'owner', 'x-identity': 'x' }
    expect(await gateway.ask(organization, {}, { token, headers })).toMatchObject(own('acme'))
  })

  it('is none for the operator, who belongs to none', async () => {
    const token = await gateway.signIn('operator@offshoot.test')
    const me = await gateway.ask('{ me { name memberships { role } } organization { id } }', {}, { token })
    expect(me.data).toEqual({ me: { name: 'Opal Operator', memberships: [] }, organization: null })
    expect(me).toMatchObject(refused('BAD_USER_INPUT', 'TENANT_REQUIRED'))
    expect(await gateway.ask(organization, {}, { token, tenant: 'acme' })).toMatchObject(notAMember)
  })
})

describe('an API key', () => {
  it('can do what its scopes say, in its tenant', async () => {
    const { token } = await apiKey(['organization:read'])
    expect(await gateway.ask(organization, {}, { token })).toMatchObject(own('acme'))
    const scopeRequired = refused('FORBIDDEN', 'SCOPE_REQUIRED')
    for (const query of [
      '{ organization { apiKeys { id } } }',
      '{ organization { auditLog { nodes { id } } } }',
      'mutation { revokeApiKey(id: "x") { id } }',
      'mutation { inviteMember(input: { email: "a@b.test", role: MEMBER }) { id } }',
    ])
      expect(await gateway.ask(query, {}, { token }), query).toMatchObject(scopeRequired)
    const create = 'mutation { createOrganization(input: { name: "Key", slug: "of-a-key" }) { id } }'
    expect(await gateway.ask(create, {}, { token })).toMatchObject(refused('FORBIDDEN', 'USER_ONLY'))
  })

  it('opens no other tenant, not even one that its maker owns', async () => {
    const owner = await gateway.signIn('owner@acme.test')
    const create = 'mutation { createOrganization(input: { name: "Second", slug: "acme-second" }) { slug } }'
    expect((await gateway.ask(create, {}, { token: owner })).data.createOrganization).toEqual({ slug: 'acme-second' })
    const { token } = await apiKey(['organization:read'])
    expect(await gateway.ask(organization, {}, { token })).toMatchObject(own('acme'))
    for (const tenant of ['acme-second', 'globex', 'nowhere'])
      expect(await gateway.ask(organization, {}, { token, tenant })).toMatchObject(notAMember)
    const me = await gateway.ask('{ me { memberships { organization { slug } } } }', {}, { token })
    expect(me.data.me.memberships).toEqual([{ organization: { slug: 'acme' } }])
    await gateway.ask('mutation { leaveOrganization { id } }', {}, { token: owner, tenant: 'acme-second' })
    await gateway.database.admin(
      `UPDATE identity.member SET removed_at = now() WHERE tenant_id = (SELECT tenant FROM identity.tenant_slug WHERE slug = 'acme-second')`,
    )
  })

  it('is shown once, is recognised by its prefix, and ends when it is revoked or expires, in every process', async () => {
    const ask = await gateway.as('owner@acme.test')
    const key = await apiKey(['organization:read'])
    const keys = '{ organization { apiKeys { id prefix name scopes revokedAt createdBy { email } } } }'
    const listed = await ask(keys)
    expect(listed.data.organization.apiKeys.find(({ id }: { id: string }) => id === key.id)).toEqual({
      id: key.id,
      prefix: key.token.slice(0, 12),
      name: 'key',
      scopes: ['organization:read'],
      revokedAt: null,
      createdBy: { email: 'owner@acme.test' },
    })
    expect(JSON.stringify(listed.data)).not.toContain(key.token)
    for (const process of [gateway, other])
      expect(await process.ask(organization, {}, { token: key.token })).toMatchObject(own('acme'))

    const revoke = 'mutation ($id: ID!) { revokeApiKey(id: $id) { revokedAt } }'
    expect((await ask(revoke, { id: key.id })).data.revokeApiKey.revokedAt).toMatch(/Z$/)
    for (const process of [gateway, other])
      expect(await process.ask(organization, {}, { token: key.token })).toMatchObject(invalid)

    const expiring = await apiKey(['organization:read'])
    expect(await gateway.ask(organization, {}, { token: expiring.token })).toMatchObject(own('acme'))
    const expire = `UPDATE identity.api_key SET expires_at = now() - interval '1 s' WHERE id = $1`
    await gateway.database.admin(expire, [expiring.id])
    expect(await gateway.ask(organization, {}, { token: expiring.token })).toMatchObject(invalid)

    const { data } = await ask('{ organization { auditLog { nodes { action targetId } } } }')
    expect(data.organization.auditLog.nodes).toContainEqual({ action: 'api-key.revoked', targetId: key.id })
  })
})

describe('an invitation, from its mail to its end', () => {
  const email = 'newcomer@acme.test'
  const password = 'a-password-of-their-own'
  const accept = 'mutation ($id: ID!) { acceptInvitation(id: $id) { slug name } }'
  const invite =
    'mutation ($email: String!) { inviteMember(input: { email: $email, role: MEMBER }) { id email role invitedBy { name } } }'
  const notFound = refused('NOT_FOUND', 'INVITATION_NOT_FOUND')
  let token: string
  let id: string

  it('is mailed to the invited', async () => {
    const ask = await gateway.as('owner@acme.test')
    const { data } = await ask(invite, { email })
    ;({ id } = data.inviteMember)
    expect(data.inviteMember).toEqual({ id, email, role: 'MEMBER', invitedBy: { name: 'Olga Owner' } })
    expect(gateway.mails![0]).toMatchObject({ to: email })
    expect(gateway.mails![0]!.text).toContain(id)
    expect(await ask(invite, { email })).toMatchObject(refused('CONFLICT', 'ALREADY_INVITED'))
    expect(await (await gateway.as('member@acme.test'))('{ organization { invitations { id } } }')).toMatchObject(
      roleRequired,
    )
  })

  it('cannot be accepted by anybody else, nor before the address is verified', async () => {
    for (const somebody of ['owner@globex.test', 'owner@acme.test', 'operator@offshoot.test'])
      expect(await (await gateway.as(somebody))(accept, { id })).toMatchObject(notFound)
    const signUp = { email, password, name: 'Nora New' }
    expect((await gateway.post('/api/auth/sign-up/email', signUp)).status).toBe(200)
    ;({ token } = await freshSession(email, password))
    expect(await gateway.ask(accept, { id }, { token })).toMatchObject(refused('FORBIDDEN', 'EMAIL_NOT_VERIFIED'))
    expect(await gateway.ask(organization, {}, { token })).toMatchObject(refused('BAD_USER_INPUT', 'TENANT_REQUIRED'))
  })

  it('makes a member of them, once, in every process', async () => {
    const mail = gateway.mails!.find(({ to, subject }) => to === email && subject === 'Confirm your address')!
    const link = new URL(/http\S+/.exec(mail.text)![0])
    const verified = await fetch(`http://127.0.0.1:${link.port}${link.pathname}${link.search}`, { redirect: 'manual' })
    expect(verified.status).toBeLessThan(400)
    expect((await gateway.ask(accept, { id }, { token })).data.acceptInvitation).toEqual({ slug: 'acme', name: 'Acme' })
    for (const process of [gateway, other])
      expect(await process.ask(organization, {}, { token })).toMatchObject(own('acme'))
    expect(await gateway.ask(accept, { id }, { token })).toMatchObject(refused('CONFLICT', 'ALREADY_MEMBER'))
    const ask = await gateway.as('owner@acme.test')
    expect((await ask('{ organization { invitations { id } } }')).data.organization.invitations).toEqual([])
    expect(await ask('mutation ($id: ID!) { revokeInvitation(id: $id) { id } }', { id })).toMatchObject(notFound)
  })

  it('is worth nothing once it is revoked', async () => {
    const ask = await gateway.as('owner@acme.test')
    const operator = await gateway.as('operator@offshoot.test')
    const { data } = await ask(invite, { email: 'operator@offshoot.test' })
    const { id } = data.inviteMember
    expect(
      (await ask('mutation ($id: ID!) { revokeInvitation(id: $id) { id } }', { id })).data.revokeInvitation,
    ).toEqual({ id })
    expect(await operator(accept, { id })).toMatchObject(notFound)
  })

  it('gives a role that counts at once, raised, lowered or taken away, in every process', async () => {
    const ask = await gateway.as('owner@acme.test')
    const { data } = await ask('{ organization { members { id user { email } } } }')
    const member = data.organization.members.find(({ user }: { user: { email: string } }) => user.email === email).id
    const change = 'mutation ($id: ID!, $role: Role!) { changeMemberRole(input: { id: $id, role: $role }) { role } }'
    const keys = '{ organization { apiKeys { id } } }'
    const everywhere = async (query: string, credential: string) => {
      const answers = await Promise.all(
        [gateway, other].map((process) => process.ask(query, {}, { token: credential })),
      )
      expect(answers[0]!.errors).toEqual(answers[1]!.errors)
      return answers[0]!
    }

    expect(await everywhere(keys, token)).toMatchObject(roleRequired)
    expect((await ask(change, { id: member, role: 'ADMIN' })).data.changeMemberRole).toEqual({ role: 'ADMIN' })
    expect((await everywhere(keys, token)).errors).toBeUndefined()
    const key = await apiKey(['api-key:manage', 'organization:read'], { token })
    expect((await everywhere(keys, key.token)).errors).toBeUndefined()

    await ask(change, { id: member, role: 'MEMBER' })
    expect(await everywhere(keys, token)).toMatchObject(roleRequired)
    expect(await everywhere(keys, key.token)).toMatchObject(roleRequired)

    await ask('mutation ($id: ID!) { removeMember(id: $id) { slug } }', { id: member })
    expect(await everywhere(keys, token)).toMatchObject(refused('BAD_USER_INPUT', 'TENANT_REQUIRED'))
    expect(await gateway.ask(keys, {}, { token, tenant: 'acme' })).toMatchObject(notAMember)
    expect(await everywhere(keys, key.token)).toMatchObject(invalid)
  })
})

describe('a new organization', () => {
  it('is made by whoever is signed in, and is theirs alone', async () => {
    const operator = await gateway.as('operator@offshoot.test')
    const create =
      'mutation ($slug: String!) { createOrganization(input: { name: "New", slug: $slug }) { slug members { role user { name } } } }'
    const { data, errors } = await operator(create, { slug: 'brand-new' })
    expect(data.createOrganization.slug).toBe('brand-new')
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', reason: 'TENANT_REQUIRED' } }])
    expect((await operator('{ organization { slug members { role user { name } } } }')).data).toEqual({
      organization: { slug: 'brand-new', members: [{ role: 'OWNER', user: { name: 'Opal Operator' } }] },
    })
    expect(await operator(create, { slug: 'acme' })).toMatchObject(refused('CONFLICT', 'SLUG_TAKEN'))
    const acme = await gateway.signIn('owner@acme.test')
    expect(await gateway.ask(organization, {}, { token: acme, tenant: 'brand-new' })).toMatchObject(notAMember)
  })
})
