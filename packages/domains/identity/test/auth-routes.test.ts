import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { demo } from '@offshoot/host'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorld, type World } from './world.ts'

let world: World
let server: Server
let base: string
beforeAll(async () => {
  world = await openWorld({ seed: true, outage: true })
  const app = express()
  for (const { path, router } of world.app.host.routes) app.use(path, router)
  server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/auth`
})
afterAll(async () => {
  server?.closeAllConnections()
  server?.close()
  await world?.stop()
})

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    redirect: 'manual',
  })

const credentials = (email: string, password: string = demo.password) => ({ email, password })
const signIn = async (email: string, password?: string) => {
  const response = await post('/sign-in/email', credentials(email, password))
  return {
    status: response.status,
    token: response.headers.get('set-auth-token'),
    cookie: response.headers.getSetCookie()[0]?.split(';')[0],
  }
}
const resolve = (credential: string) => world.gateway.resolveActor({ credential, slug: null })
/** The newest mail to this address; mail leaves after the answer. */
async function mailTo(address: string) {
  await expect.poll(() => world.app.mailer.caught!.some(({ to }) => to === address)).toBe(true)
  return world.app.mailer.caught!.find(({ to }) => to === address)!
}
const linkIn = (text: string) => new URL(/http\S+/.exec(text)![0])

describe('signing in', () => {
  it('works from a program that sends neither cookie nor origin, and gives a bearer token', async () => {
    const response = await post('/sign-in/email', credentials('owner@acme.test'))
    expect(response.status).toBe(200)
    const token = response.headers.get('set-auth-token')!
    expect(await resolve(token)).toMatchObject({ user: { email: 'owner@acme.test' }, identity: { role: 'owner' } })
    const [cookie] = response.headers.getSetCookie()
    expect(cookie).toMatch(/^offshoot_session=[^;]+;.*HttpOnly;.*SameSite=Lax/)
    expect(await resolve(cookie!.split(/[=;]/)[1]!)).toMatchObject({ user: { email: 'owner@acme.test' } })
  })

  it.each([
    'http://evil.example',
    'null',
    'http://localhost:4001',
    'https://localhost:4000',
    'http://localhost:4000.evil.example',
    'http://evillocalhost:4000',
  ])('is refused from the origin %s, with a cookie and without', async (origin) => {
    for (const cookie of [undefined, 'offshoot_session=anything']) {
      const response = await post('/sign-in/email', credentials('owner@acme.test'), {
        origin,
        ...(cookie && { cookie }),
      })
      expect(response.status).toBe(403)
      expect(response.headers.get('set-auth-token')).toBeNull()
    }
  })

  it('is refused with a cookie and no origin', async () => {
    const headers = { cookie: 'offshoot_session=anything' }
    expect((await post('/sign-in/email', credentials('owner@acme.test'), headers)).status).toBe(403)
  })

  it.each(['http://localhost:4000', 'http://acme.localhost:4000'])('works from our own origin %s', async (origin) => {
    expect((await post('/sign-in/email', credentials('owner@acme.test'), { origin })).status).toBe(200)
  })

  it('tells a wrong password and an unknown address in the same words', async () => {
    const answers = []
    for (const body of [credentials('owner@acme.test', 'wrong-password-1'), credentials('nobody@acme.test')]) {
      const response = await post('/sign-in/email', body)
      answers.push([response.status, await response.text()])
    }
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]![0]).toBe(401)
  })

  it('ends by signing out, for the cookie and for the token', async () => {
    const { token } = await signIn('member@acme.test')
    const response = await fetch(`${base}/sign-out`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    expect(response.status).toBe(200)
    expect(await resolve(token!)).toBeNull()
  })
})

describe('signing up', () => {
  const body = (email: string) => ({ email, name: 'Nora New', password: 'a-long-password' })

  it('does not tell whether the address has an account; a mail to it does', async () => {
    const answers = []
    for (const email of ['nora@new.test', 'nora@new.test', 'owner@acme.test', 'OWNER@acme.test']) {
      const response = await post('/sign-up/email', body(email))
      const { user, token } = await response.json()
      expect(user.email).toBe(email.toLowerCase())
      expect(response.headers.getSetCookie()).toEqual([])
      const { id, createdAt, updatedAt, email: _, ...rest } = user
      expect([typeof id, id.length, id[14], typeof createdAt, typeof updatedAt]).toEqual([
        'string',
        36,
        '7',
        'string',
        'string',
      ])
      answers.push(JSON.stringify([response.status, token, Object.keys(user), rest]))
    }
    expect(new Set(answers).size).toBe(1)
    expect((await mailTo('owner@acme.test')).subject).toBe('You have an account already')
  })

  it('does not tell it either when two sign up with one address at once', async () => {
    const responses = await Promise.all([1, 2, 3].map(() => post('/sign-up/email', body('rushed@new.test'))))
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(await world.rows.global.user.count({ where: { email: 'rushed@new.test' } })).toBe(1)
  })

  it('becomes whole by the link in the mail', async () => {
    await post('/sign-up/email', body('vera@new.test'))
    const { token } = await signIn('vera@new.test', 'a-long-password')
    expect(await resolve(token!)).toMatchObject({ user: { emailVerified: false }, memberships: [] })
    const link = linkIn((await mailTo('vera@new.test')).text)
    expect(link.origin).toBe('http://localhost:4000')
    const response = await fetch(base + link.pathname.slice('/api/auth'.length) + link.search, { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([302, '/'])
    expect(await resolve(token!)).toMatchObject({ user: { emailVerified: true } })
  })

  it('takes nothing more than a name, an address and a password', async () => {
    await post('/sign-up/email', {
      ...body('sly@new.test'),
      operator: true,
      emailVerified: true,
      id: '0197f000-0000-7000-8000-000000000000',
    })
    const { token, cookie } = await signIn('sly@new.test', 'a-long-password')
    await post('/update-user', { operator: true, name: 'Sly' }, { authorization: `Bearer ${token}` })
    await post('/update-user', { emailVerified: true }, { authorization: `Bearer ${token}` })
    const found = await resolve(token!)
    expect(found).toMatchObject({ identity: { actor: { operator: false } }, user: { emailVerified: false } })
    expect(found!.user.id).not.toBe('0197f000-0000-7000-8000-000000000000')
    expect(cookie).toBeDefined()
  })

  it.each([
    { name: '' },
    { name: 'a\0b' },
    { name: 'x'.repeat(101) },
    { email: 'nobody' },
    { email: 'a\0@b.test' },
    { password: 'short' },
    { password: 'x'.repeat(129) },
    { image: 'http://evil.example/pixel' },
  ])('refuses %j', async (wrong) => {
    expect((await post('/sign-up/email', { ...body('wrong@new.test'), ...wrong })).status).toBe(400)
    expect(await world.rows.global.user.findFirst({ where: { email: 'wrong@new.test' } })).toBeNull()
  })
})

describe('a forgotten password', () => {
  it('is replaced by way of the mail, once, and ends all sessions', async () => {
    const { token } = await signIn('both@offshoot.test')
    const known = await post('/request-password-reset', { email: 'both@offshoot.test' })
    const unknown = await post('/request-password-reset', { email: 'nobody@offshoot.test' })
    expect(await known.text()).toBe(await unknown.text())
    const link = linkIn((await mailTo('both@offshoot.test')).text)
    const reset = { token: link.pathname.split('/').at(-1), newPassword: 'another-password-1' }
    expect((await post('/reset-password', reset)).status).toBe(200)
    expect(await resolve(token!)).toBeNull()
    expect((await signIn('both@offshoot.test')).status).toBe(401)
    expect((await signIn('both@offshoot.test', 'another-password-1')).status).toBe(200)
    expect((await post('/reset-password', reset)).status).toBe(400)
  })

  it('can be replaced on the page that the mail leads to', async () => {
    await post('/request-password-reset', { email: 'member@acme.test' })
    const link = linkIn((await mailTo('member@acme.test')).text)
    const page = base + link.pathname.slice('/api/auth'.length) + link.search
    const submit = async (password: string) => {
      const response = await fetch(page, { method: 'POST', body: new URLSearchParams({ password }) })
      return [response.status, await response.text()]
    }
    const shown = await fetch(page)
    expect(shown.headers.get('referrer-policy')).toBe('no-referrer')
    expect(await shown.text()).toContain('<form method="post">')
    expect(await submit('short')).toEqual([400, expect.stringContaining('too short')])
    expect(await submit('another-password-2')).toEqual([200, expect.stringContaining('is set')])
    expect((await signIn('member@acme.test', 'another-password-2')).status).toBe(200)
    expect(await submit('another-password-3')).toEqual([400, expect.stringContaining('used already')])
  })

  it('sends nobody to a foreign place', async () => {
    const response = await post('/request-password-reset', {
      email: 'owner@acme.test',
      redirectTo: 'http://evil.example',
    })
    expect(response.status).toBe(403)
  })
})

describe('what comes in otherwise', () => {
  it.each([
    ['malformed JSON', '{', 'application/json', 400],
    ['another kind of body', 'email=owner%40acme.test', 'application/x-www-form-urlencoded', 415],
    ['a large body', JSON.stringify({ email: 'x'.repeat(20_000) }), 'application/json', 413],
    ['a body of no object', '[]', 'application/json', 400],
    ['no address', '{}', 'application/json', 400],
    ['an address of another type', '{"email":{"$ne":1},"password":"x"}', 'application/json', 400],
  ])('is refused in JSON: %s', async (_, body, type, status) => {
    const response = await fetch(`${base}/sign-in/email`, { method: 'POST', headers: { 'content-type': type }, body })
    expect([response.status, response.headers.get('content-type')]).toEqual([
      status,
      expect.stringContaining('application/json'),
    ])
  })

  it.each([
    'GET /ok',
    'GET /error',
    'POST /delete-user',
    'POST /change-email',
    'POST /sign-in/social',
    'GET /',
    'PUT /sign-in/email',
    'GET /sign-in/email',
    'POST /sign-in/email/',
  ])('%s is not there', async (request) => {
    const [method, path] = request.split(' ') as [string, string]
    expect((await fetch(base + path, { method })).status).toBe(404)
  })

  it('leaves no password, token or address in the log', async () => {
    await post('/sign-in/email', credentials('secret-address@acme.test', 'secret-password-1'))
    await signIn('owner@acme.test')
    expect(world.app.logged.join('\n')).not.toMatch(/secret-|offshoot-demo|@acme|offshoot_session/)
  })
})

describe('while the database is away', () => {
  it('signing in is unavailable rather than wrong, so is the question who somebody is, and both come back', async () => {
    const session = await world.signIn('somebody@away.test')
    await world.app.outage!.begin()
    const response = await post('/sign-in/email', credentials('owner@acme.test'))
    expect([response.status, await response.json()]).toEqual([503, expect.objectContaining({ code: 'UNAVAILABLE' })])
    await expect(resolve(session)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await world.app.outage!.end()
    expect((await signIn('owner@acme.test')).status).toBe(200)
    expect(await resolve(session)).not.toBeNull()
  })
})
