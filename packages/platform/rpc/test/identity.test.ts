import { createHmac, hkdfSync } from 'node:crypto'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import {
  anonymous,
  defineContract,
  edge,
  type Identity,
  type IdentityToken,
  identityTokens,
  query,
  type Role,
} from '../src/index.ts'
import { acme, as, shelf as contract, links, olga, shelfBy } from './shelf.ts'

const secret = 'a secret for tests'
const tokens = identityTokens(secret)
const base64 = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const inASecond = () => Math.ceil(Date.now() / 1000) + 1

/** A token as an attacker would write it, signed with `key`. */
function forge(header: object, claims: object, key?: Buffer | string): string {
  const content = `${base64(header)}.${base64(claims)}`
  return `${content}.${key ? createHmac('sha256', key).update(content).digest('base64url') : ''}`
}
const claims = { identity: as('owner'), aud: 'shelf', exp: inASecond() }
const ours = Buffer.from(hkdfSync('sha256', secret, '', 'offshoot internal identity', 32))

describe.each(links)('the identity that travels with a call, %s', (way) => {
  const openShelf = shelfBy(way)
  it.each([
    as('member'),
    as('admin', { scopes: ['book:read'], actor: { kind: 'key', id: olga as never, user: olga } }),
    anonymous,
    edge,
  ])('arrives as it was sent: %j', (identity) => {
    const token = tokens.mint(identity, 'shelf', Date.now())
    for (const one of [token, String(token)]) {
      expect(tokens.verify(one, 'shelf')).toStrictEqual(identity)
      expect(tokens.verify(one, 'shelf')).not.toBe(identity)
    }
  })

  it('is a copy all the way down: whoever changes it changes nobody else’s', () => {
    const identity = as('admin', { scopes: ['book:read'], actor: { kind: 'key', id: olga as never, user: olga } })
    const token = tokens.mint(identity, 'shelf', Date.now())
    for (const one of [token, String(token)]) {
      const seen = tokens.verify(one, 'shelf')
      seen.scopes!.push('book:write')
      Object.assign(seen.actor, { user: acme })
      expect(tokens.verify(one, 'shelf')).toStrictEqual(identity)
    }
  })

  it('is over when its token is, whether or not that was seen before', () => {
    const token = tokens.mint(as('member'), 'shelf', Date.now())
    const sent = [token, String(token)]
    for (const one of sent) expect(tokens.verify(one, 'shelf')).toEqual(as('member'))
    vi.useFakeTimers({ now: Date.now() + 32_000, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    for (const one of sent) expect(() => tokens.verify(one, 'shelf')).toThrow('no valid identity')
  })

  const minted = String(tokens.mint(as('member'), 'shelf', Date.now() + 1_000))
  const [head, , signature] = minted.split('.') as [string, string, string]
  const now = Date.now()
  const unsigned = [
    ['another installation’s', identityTokens('another secret').mint(as('owner'), 'shelf', now)],
    ['one for another domain', tokens.mint(as('owner'), 'billing', now)],
    ['one that is over, beyond the skew of clocks', tokens.mint(as('owner'), 'shelf', now - 32_000)],
    ['one that never ends', tokens.mint(as('owner'), 'shelf', Number.NaN)],
    ['one of an identity that does not exist', tokens.mint({ actor: { kind: 'root' } } as never, 'shelf', now)],
    ['one of a role that does not exist', tokens.mint(as('root' as never), 'shelf', now)],
    ['one that was not minted', Object.create(Object.getPrototypeOf(tokens.mint(as('owner'), 'shelf', now)))],
    ['a copy of one', { ...tokens.mint(as('owner'), 'shelf', now) }],
    ['an object that looks like one', { identity: as('owner'), audience: 'shelf', deadline: now }],
  ] as [string, IdentityToken][]
  it.each([
    ...unsigned,
    ['nothing', ''],
    ['no token', 'x.y.z'],
    ['another installation’s, signed', String(identityTokens('another secret').mint(as('owner'), 'shelf', now))],
    ['one for another domain, signed', String(tokens.mint(as('owner'), 'billing', now))],
    ['one for several domains', forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, aud: ['shelf'] }, ours)],
    ['one that is over, beyond the skew of clocks, signed', String(tokens.mint(as('owner'), 'shelf', now - 32_000))],
    ['one that never ends, signed', forge({ alg: 'HS256', typ: 'JWT' }, { identity: as('owner'), aud: 'shelf' }, ours)],
    ['one signed with the secret itself', forge({ alg: 'HS256', typ: 'JWT' }, claims, secret)],
    ['one that is not signed (alg: none)', forge({ alg: 'none', typ: 'JWT' }, claims)],
    ['one of another algorithm', forge({ alg: 'HS512', typ: 'JWT' }, claims, ours)],
    ['one with its claims changed', `${head}.${base64(claims)}.${signature}`],
    ['one without its signature', minted.slice(0, minted.lastIndexOf('.') + 1)],
    [
      'one of an identity that does not exist, signed',
      forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, identity: { actor: { kind: 'root' } } }, ours),
    ],
    [
      'one of a role that does not exist, signed',
      forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, identity: { ...as('owner'), role: 'root' } }, ours),
    ],
  ])('is refused when the token is %s', async (_, token) => {
    const refused = { code: 'UNAUTHENTICATED', reason: 'BAD_INTERNAL_TOKEN' }
    expect(() => tokens.verify(token, 'shelf')).toThrow(expect.objectContaining(refused))
    const { server, units } = openShelf()
    await expect(server.handle('echo', { value: 1 }, { token, budget: 100, requestId: 'r' })).rejects.toMatchObject(
      refused,
    )
    expect(units.opened).toBe(0)
  })

  it('is known to be forgeable with the right key only: the attacker’s tool works', () => {
    expect(tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, claims, ours), 'shelf')).toEqual(as('owner'))
  })

  it('survives clocks that differ by less than half a minute', () => {
    const token = tokens.mint(as('owner'), 'shelf', Date.now() - 28_000)
    for (const one of [token, String(token)]) expect(tokens.verify(one, 'shelf')).toEqual(as('owner'))
  })

  it('is the caller’s own in a call made on the way', async () => {
    const { desk } = openShelf()
    await expect(desk(as('owner', { scopes: ['desk:ask'] })).ask({ value: 1 })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      reason: 'SCOPE_REQUIRED',
    })
  })
})

describe.each(links)('what a caller may do, %s', (way) => {
  const openShelf = shelfBy(way)
  const key = (scopes: string[]) => as('owner', { actor: { kind: 'key', id: olga as never, user: olga }, scopes })
  type Shelf = ReturnType<ReturnType<typeof openShelf>['shelf']>
  const inputs: { [K in keyof Shelf]: Parameters<Shelf[K]>[0] } = {
    list: { first: 1 },
    echo: { value: 1 },
    rename: { id: olga, title: 'A' },
    burn: {},
    open: {},
    inspect: {},
    whoIs: { token: 'x' },
  }

  const operator = as('owner', {
    actor: { kind: 'user', id: olga, operator: true },
    tenant: null,
    role: null,
  })
  const service = as('owner', { actor: { kind: 'service', id: 'shelf.handler' }, role: null })

  /** `ok`, or why not. */
  async function attempt(call: keyof Shelf, identity: Identity): Promise<string> {
    const client = openShelf().shelf(identity) as Record<string, (input: unknown) => Promise<unknown>>
    return client[call]!(inputs[call]).then(
      () => 'ok',
      (error) => `${error.code}/${error.reason}`,
    )
  }

  const may: Record<'list' | 'echo' | 'rename' | 'burn', Role[]> = {
    list: ['owner', 'admin', 'member'],
    echo: ['owner', 'admin', 'member'],
    rename: ['owner', 'admin'],
    burn: ['owner'],
  }
  const table = Object.entries(may).flatMap(([call, roles]) =>
    (['owner', 'admin', 'member'] as const).map((role) => ({
      call: call as keyof Shelf,
      role,
      allowed: roles.includes(role),
    })),
  )
  it.each(table)('$role, $call: $allowed', async ({ call, role, allowed }) => {
    expect(await attempt(call, as(role))).toBe(allowed ? 'ok' : 'FORBIDDEN/ROLE_REQUIRED')
  })

  it.each([
    ['a call in a tenant', 'list', anonymous, 'UNAUTHENTICATED/SIGN_IN_REQUIRED'],
    ['a call in a tenant', 'list', edge, 'UNAUTHENTICATED/SIGN_IN_REQUIRED'],
    ['a call in a tenant', 'list', as('owner', { tenant: null }), 'BAD_USER_INPUT/TENANT_REQUIRED'],
    ['a call in a tenant', 'list', as('owner', { role: null }), 'BAD_USER_INPUT/TENANT_REQUIRED'],
    ['a call in a tenant', 'list', key(['book:read']), 'ok'],
    ['a call in a tenant', 'rename', key(['book:read']), 'FORBIDDEN/SCOPE_REQUIRED'],
    ['a call in a tenant', 'list', key([]), 'FORBIDDEN/SCOPE_REQUIRED'],
    ['a call in a tenant', 'burn', { ...key(['shelf:burn']), role: 'member' }, 'FORBIDDEN/ROLE_REQUIRED'],
    ['a user’s own call', 'open', as('member', { tenant: null, role: null }), 'ok'],
    ['a user’s own call', 'open', anonymous, 'UNAUTHENTICATED/SIGN_IN_REQUIRED'],
    ['a user’s own call', 'open', edge, 'UNAUTHENTICATED/SIGN_IN_REQUIRED'],
    ['a user’s own call', 'open', key(['book:read']), 'FORBIDDEN/USER_ONLY'],
    ['a call for staff', 'inspect', operator, 'ok'],
    ['a call for staff', 'inspect', as('owner'), 'FORBIDDEN/OPERATOR_ONLY'],
    ['a call for staff', 'inspect', key(['book:read']), 'FORBIDDEN/OPERATOR_ONLY'],
    ['a call for staff', 'inspect', service, 'FORBIDDEN/OPERATOR_ONLY'],
    ['a call for staff', 'inspect', anonymous, 'UNAUTHENTICATED/SIGN_IN_REQUIRED'],
    ['a call for staff', 'inspect', edge, 'UNAUTHENTICATED/SIGN_IN_REQUIRED'],
    ['a call in a tenant', 'list', operator, 'BAD_USER_INPUT/TENANT_REQUIRED'],
    ['the edge’s own call', 'whoIs', edge, 'ok'],
    ['the edge’s own call', 'whoIs', as('owner'), 'FORBIDDEN/EDGE_ONLY'],
    ['the edge’s own call', 'whoIs', operator, 'FORBIDDEN/EDGE_ONLY'],
    ['the edge’s own call', 'whoIs', key(['book:read']), 'FORBIDDEN/EDGE_ONLY'],
    ['the edge’s own call', 'whoIs', anonymous, 'FORBIDDEN/EDGE_ONLY'],
  ] as const)('%s (%s) by %j: %s', async (_, call, identity, outcome) => {
    expect(await attempt(call, identity as Identity)).toBe(outcome)
  })

  it('is decided before the input is looked at', async () => {
    await expect(openShelf().shelf(as('member')).rename({ id: 'nonsense', title: '' })).rejects.toMatchObject({
      reason: 'ROLE_REQUIRED',
    })
  })

  it('is known of every call: one in a tenant without an action, or with one that is not listed, does not load', () => {
    const input = z.object({})
    expect(() => defineContract('x', { actions: {}, calls: { a: query({ input, output: input }) } })).toThrow(
      /x\.a must name its action/,
    )
    expect(() =>
      defineContract('x', { actions: {}, calls: { a: query({ action: 'y', input, output: input }) } }),
    ).toThrow(/does not list/)
    expect(Object.keys(contract.actions)).toContain('book:read')
    expect(acme).toMatch(/^[0-9a-f-]{36}$/)
  })
})
