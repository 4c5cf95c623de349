import { readFileSync } from 'node:fs'
import { metaOf, Role } from '@offshoot/rpc'
import { type TestApp, tenantId, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identity } from '../src/contract.ts'
import { identityDomain } from '../src/domain.ts'

const roles = Role.options

/** Without what only aligns the columns. */
const plain = (table: string) => table.trim().replace(/ +/g, '').replace(/-+/g, '-')

describe('the permission table', () => {
  it('stands in the README as the contract has it', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const rows = Object.entries(identity.actions).map(
      ([action, allowed]) =>
        `| \`${action}\` ${roles.map((role) => (allowed.includes(role) ? '| yes ' : '| ')).join('')}|`,
    )
    const table = [`| action | ${roles.join(' | ')} |`, '|---|---|---|---|', ...rows].join('\n')
    expect(plain(/<!-- permissions -->([\s\S]*)<!-- \/permissions -->/.exec(readme)![1]!)).toBe(plain(table))
  })

  let app: TestApp
  beforeAll(async () => {
    app = await testApp([identityDomain])
  })
  afterAll(() => app?.stop())

  const calls = Object.entries(identity.calls).flatMap(([name, call]) => {
    const { action } = metaOf(call)
    return action
      ? roles.map((role) => ({ name: name as 'organization', role, allowed: identity.actions[action]!.includes(role) }))
      : []
  })

  it.each(calls.filter(({ allowed }) => !allowed))('does not let a $role call $name', async ({ name, role }) => {
    const client = app.client(identity, { tenant: 'acme', role })
    await expect(client[name]({})).rejects.toMatchObject({ code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' })
  })

  it.each(calls.filter(({ role }) => role === 'owner'))(
    'does not let a key without the scope call $name',
    async ({ name }) => {
      const actor = { kind: 'key', id: tenantId('a key'), user: tenantId('a user') } as never
      const client = app.client(identity, {
        identity: { actor, tenant: tenantId('acme'), plan: 'free', role: 'owner', scopes: ['product:read'] },
      })
      await expect(client[name]({})).rejects.toMatchObject({ code: 'FORBIDDEN', reason: 'SCOPE_REQUIRED' })
    },
  )
})
