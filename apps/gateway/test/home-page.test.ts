import { demo } from '@offshoot/host'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { domains } from '../src/domains.ts'
import { type TestGateway, testGateway } from './gateway.ts'

let development: TestGateway
let production: TestGateway
beforeAll(async () => {
  ;[development, production] = await Promise.all([testGateway(), testGateway({ production: true })])
})
afterAll(() => Promise.all([development.close(), production.close()]))

const get = (gateway: TestGateway, path: string, accept = 'text/html') =>
  fetch(gateway.url.replace('localhost', '127.0.0.1') + path, { headers: { accept } })

describe('the home page', () => {
  it('says what runs where, and in development offers to sign in as any demo user', async () => {
    for (const gateway of [development, production]) {
      const response = await get(gateway, '/')
      const html = await response.text()
      expect({ status: response.status, type: response.headers.get('content-type') }).toEqual({
        status: 200,
        type: 'text/html; charset=utf-8',
      })
      for (const { name } of domains) expect(html).toContain(`<td>${name}</td>`)
      for (const { email } of demo.users) expect(html.includes(`data-email="${email}"`)).toBe(gateway === development)
      expect(html.includes(demo.password)).toBe(gateway === development)
      expect((await get(gateway, '/home-page.js')).status).toBe(gateway === development ? 200 : 404)
    }
  })
})

describe('mail in development', () => {
  it('is shown, with a link that confirms the address, and without a way to slip in markup', async () => {
    const name = '<img src=x onerror=alert(1)>'
    const email = 'nora@new.test'
    const signUp = { name, email, password: 'a-password-of-their-own' }
    expect((await development.post('/api/auth/sign-up/email', signUp)).status).toBe(200)
    // Mail leaves after the answer.
    const shown = async () => (await get(development, '/dev/mail')).text()
    await expect.poll(shown).toContain('Confirm your address')
    const html = await shown()
    expect(html).toContain(email)
    expect(html).not.toContain('<img')
    const link = /href="(http[^"]+verify-email[^"]+)"/.exec(html)![1]!
    const { pathname, search } = new URL(link.replaceAll('&#38;', '&'))
    const path = pathname + search
    expect(
      (await fetch(development.url.replace('localhost', '127.0.0.1') + path, { redirect: 'manual' })).status,
    ).toBeLessThan(400)
    const [{ verified }] = (await development.database.admin<{ verified: boolean }>(
      'SELECT email_verified AS verified FROM identity."user" WHERE email = $1',
      [email],
    )) as [{ verified: boolean }]
    expect(verified).toBe(true)
    expect(await (await get(development, '/dev/mail', 'application/json')).json()).toMatchObject([{ to: email }])
  })

  it('is shown to nobody in production', async () => {
    expect((await get(production, '/dev/mail')).status).toBe(404)
  })
})

describe('every answer', () => {
  it.each(['/', '/graphql', '/api/auth/get-session', '/nowhere'])(
    'comes with the headers that protect a browser: %s',
    async (path) => {
      for (const gateway of [development, production]) {
        const { headers } = await get(gateway, path, 'application/json')
        expect(headers.get('x-content-type-options')).toBe('nosniff')
        expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
        const policy = headers.get('content-security-policy')
        expect(policy).toMatch(/^default-src 'self';/)
        // GraphiQL, in development only, is a page with its scripts in it.
        if (path !== '/graphql' || gateway === production) expect(policy).toMatch(/;script-src 'self';/)
        expect(headers.get('x-powered-by')).toBeNull()
        expect(headers.get('access-control-allow-origin')).toBeNull()
        expect(headers.get('x-request-id')).toMatch(/^[\w-]{36}$/)
        expect(headers.has('strict-transport-security')).toBe(gateway === production)
      }
    },
  )

  it('has the id that the request came with, if it is one', async () => {
    const of = async (id: string) =>
      (
        await fetch(`${development.url.replace('localhost', '127.0.0.1')}/livez`, { headers: { 'x-request-id': id } })
      ).headers.get('x-request-id')
    expect(await of('from-the-caller')).toBe('from-the-caller')
    for (const id of ['short', 'x'.repeat(65), 'with space or {"json":1}', '"; DROP']) expect(await of(id)).not.toBe(id)
  })
})

describe('health', () => {
  it('is told dependency by dependency', async () => {
    expect(await (await get(production, '/livez')).json()).toEqual({ status: 'live' })
    expect(await (await get(production, '/readyz')).json()).toEqual({
      status: 'ready',
      dependencies: Object.fromEntries(domains.map(({ name }) => [`database:${name}`, 'up'])),
    })
  })
})
