import { testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestApp } from '@offshoot/testing'
import { identityDomain } from '../src/domain.ts'
import { identity } from '../src/contract.ts'

let app: TestApp
beforeAll(async () => {
  app = await testApp([identityDomain], { seed: true })
})
afterAll(() => app?.stop())

describe('an organization', () => {
  it('is read by its members', async () => {
    expect(await app.client(identity).organization({})).toMatchObject({ slug: 'acme', name: 'Acme' })
    expect(await app.client(identity).members({})).toHaveLength(3)
  })
})
