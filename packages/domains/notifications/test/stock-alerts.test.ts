import { catalogDomain } from '@offshoot/catalog'
import { catalog, type Product } from '@offshoot/catalog/contract'
import { identityDomain } from '@offshoot/identity'
import { settled, type TestApp, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { notifications } from '../src/contract.ts'
import { notificationsDomain } from '../src/domain.ts'
import { outgoingEmail } from '../src/flags.ts'

let app: TestApp
beforeAll(async () => {
  app = await testApp([identityDomain, catalogDomain, notificationsDomain], { seed: true })
})
afterAll(() => app.stop())

/** A product of which there are only a few left. */
async function nearlyGone(sku: string): Promise<Product> {
  const shop = app.client(catalog)
  const { id } = await shop.create({ sku, name: `Pen ${sku}`, price: { minor: 250, currency: 'EUR' }, stock: 12 })
  return shop.update({ id, stock: 10 })
}

describe('stock that is nearly gone', () => {
  it('is told to owners and admins, and to nobody else', async () => {
    const { name } = await nearlyGone('SKU-1')
    await settled(app)
    expect(app.mailer.caught).toMatchObject([
      {
        to: 'owner@acme.test',
        subject: `Acme: ${name} is nearly sold out`,
        text: expect.stringContaining(`Of ${name} (SKU-1) there are 10 left.`),
      },
    ])
  })

  it('is told later where mail is switched off', async () => {
    app.flags.set(outgoingEmail, false)
    await nearlyGone('SKU-2')
    const status = async () => (await app.client(notifications).emails({ first: 1 })).items[0]?.status
    await expect.poll(status).toBe('QUEUED')
    app.flags.set(outgoingEmail, true)
    await settled(app)
    expect(await status()).toBe('SENT')
    expect(app.mailer.caught).toHaveLength(2)
  })
})
