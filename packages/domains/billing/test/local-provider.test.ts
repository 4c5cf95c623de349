import { randomUUID } from 'node:crypto'
import { type Lanes, openLanes } from '@offshoot/data'
import { type TestDatabase, tenantId, testDatabase } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { billingDomain } from '../src/domain.ts'
import { PrismaClient } from '../src/generated/prisma/client.ts'
import { localProvider } from '../src/local-provider.ts'
import { capture, type PaymentProvider, refund } from '../src/provider.ts'

let database: TestDatabase
let lanes: Lanes<PrismaClient>

beforeAll(async () => {
  database = await testDatabase([billingDomain.data])
  lanes = await openLanes({
    url: database.urls.billing!.serving,
    schema: 'billing',
    prisma: (adapter) => new PrismaClient({ adapter }),
  })
})
afterAll(async () => {
  await lanes.close()
  await database.drop()
})

const asking = <T>(work: (provider: PaymentProvider) => Promise<T>) =>
  lanes.use(tenantId('acme'), (db) => work(localProvider(db)))
const request = (method: string, key: string = randomUUID()) => ({
  key,
  amount: { minor: 100, currency: 'EUR' },
  method,
})

describe('the payment provider', () => {
  it('charges once for a key, however often it is asked', async () => {
    const wanted = request('pm_ok')
    const answers = await asking((provider) => Promise.all(Array.from({ length: 5 }, () => capture(provider, wanted))))
    expect(answers).toEqual(Array(5).fill('captured'))
    expect(
      await database.admin('SELECT amount_minor FROM billing.provider_charge WHERE id = $1', [wanted.key]),
    ).toEqual([{ amount_minor: '100' }])
  })

  it('gives back once, and charges nothing under that key any more', async () => {
    const wanted = request('pm_ok')
    expect(await asking((provider) => refund(provider, wanted.key))).toBe('nothing-charged')
    expect(await asking((provider) => capture(provider, wanted))).toBe('declined')
    const other = request('pm_ok')
    expect(await asking((provider) => capture(provider, other))).toBe('captured')
    for (let i = 0; i < 2; i++) expect(await asking((provider) => refund(provider, other.key))).toBe('refunded')
    expect(await asking((provider) => provider.find(other.key))).toBe('not-charged')
    expect(await asking((provider) => capture(provider, other))).toBe('declined')
  })

  it('ends a capture that meets its refund without a charge', async () => {
    for (let i = 0; i < 20; i++) {
      const wanted = request('pm_ok')
      const [charged, given] = await asking((provider) =>
        Promise.all([capture(provider, wanted), refund(provider, wanted.key)]),
      )
      expect(await asking((provider) => provider.find(wanted.key))).toBe('not-charged')
      if (given === 'nothing-charged') expect(charged).toBe('declined')
    }
  })
})

describe.concurrent('asking a provider that does not answer', () => {
  const never = new Promise<never>(() => {})

  it('ends without a charge, though the provider charges later', async () => {
    const wanted = request('pm_timeout')
    expect(await asking((provider) => capture(provider, wanted))).toBe('no-answer')
    expect(await asking((provider) => provider.capture({ ...wanted, method: 'pm_ok' }))).toBe('declined')
  })

  it('finds what it charged, when every answer but that is lost', async () => {
    const wanted = request('pm_ok')
    const outcome = await asking((provider) =>
      capture({ ...provider, capture: (asked) => provider.capture(asked).then(() => never) }, wanted),
    )
    expect(outcome).toBe('captured')
  })

  it('gives back what is charged at the last moment', async () => {
    const wanted = request('pm_ok')
    const outcome = await asking((provider) =>
      capture(
        {
          capture: () => never,
          find: (key) => provider.find(key),
          refund: async (key) => {
            await provider.capture(wanted)
            return provider.refund(key)
          },
        },
        wanted,
      ),
    )
    expect(outcome).toBe('given-back')
    expect(await asking((provider) => provider.find(wanted.key))).toBe('not-charged')
  })
})
