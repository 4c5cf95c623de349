import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from './gateway.ts'

/** What the specification says that one MAY do, and this product does not. */
const refusedOnPurpose: Record<string, string> = {
  '5A70': 'An operation by GET is one that a link or an image of another origin can send along with the cookie.',
  D6D5: 'As above: nothing is executed by GET, so it has no variables either.',
  '6A70': 'As above.',
}

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway.close())

describe('GraphQL over HTTP', () => {
  const audits = serverAudits({ url: () => `${gateway.url}/graphql` })

  it.each(audits.map((audit) => [`${audit.id} ${audit.name}`, audit] as const))('%s', async (_, audit) => {
    const result = await audit.fn()
    const refused = audit.id in refusedOnPurpose
    expect({ status: result.status, reason: 'reason' in result ? result.reason : undefined }).toEqual(
      refused ? { status: 'notice', reason: expect.any(String) } : { status: 'ok', reason: undefined },
    )
  })

  it('refuses nothing that the audits do not ask for', () => {
    expect(audits.map(({ id }) => id)).toEqual(expect.arrayContaining(Object.keys(refusedOnPurpose)))
  })
})
