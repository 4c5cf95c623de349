import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from './gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway.close())

const organization = '{ organization { id slug members { id user { email } } apiKeys { id name } } }'

describe('requests of two tenants at once', () => {
  it('each see their own, also when one person asks for both', async () => {
    const owners = { acme: await gateway.signIn('owner@acme.test'), globex: await gateway.signIn('owner@globex.test') }
    const both = await gateway.signIn('both@offshoot.test')
    const key =
      'mutation ($name: String!) { createApiKey(input: { name: $name, scopes: ["organization:read"] }) { secret } }'
    for (const [tenant, token] of Object.entries(owners))
      await gateway.ask(key, { name: `a key of ${tenant}` }, { token, tenant })
    const alone = {
      acme: await gateway.ask(organization, {}, { token: owners.acme }),
      globex: await gateway.ask(organization, {}, { token: owners.globex }),
    }
    expect(JSON.stringify(alone.acme.data)).not.toMatch(/globex/)
    expect(JSON.stringify(alone.globex.data)).toContain('a key of globex')

    const asked = Array.from({ length: 200 }, async (_, i) => {
      const tenant = i % 2 === 0 ? 'acme' : 'globex'
      const byOwner = i % 4 < 2
      const { data } = await gateway.ask(organization, {}, { token: byOwner ? owners[tenant] : both, tenant })
      const { apiKeys, ...visible } = alone[tenant].data.organization
      expect(data.organization).toEqual({ ...visible, apiKeys: byOwner ? apiKeys : null })
    })
    await Promise.all(asked)
    expect(asked).toHaveLength(200)
  })
})
