import { settled, type TestApp, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { depot } from '../src/contract.ts'
import { depotDomain } from '../src/domain.ts'

let app: TestApp
beforeAll(async () => {
  app = await testApp([depotDomain])
})
afterAll(() => app.stop())

describe('the tally of storage boxes', () => {
  it('follows what is created and archived, counts each event once, and is each tenant’s own', async () => {
    const client = app.client(depot, { tenant: 'acme' })
    expect(await client.getStorageBoxTally({})).toEqual({ active: 0, archived: 0 })
    const made = await Promise.all(['a', 'b', 'c'].map((name) => client.createStorageBox({ name })))
    await client.archiveStorageBox({ id: made[0]!.id })
    await settled(app)
    expect(await client.getStorageBoxTally({})).toEqual({ active: 2, archived: 1 })

    await app.database.admin('UPDATE depot.outbox SET published_at = NULL') // everything is delivered once more
    await settled(app)
    expect(await client.getStorageBoxTally({})).toEqual({ active: 2, archived: 1 })
    expect(await app.client(depot, { tenant: 'globex' }).getStorageBoxTally({})).toEqual({ active: 0, archived: 0 })
  })
})

describe('the demo data', () => {
  it('has three for each demo tenant, and stays as people changed it when it is planted again', async () => {
    const seeded = await testApp([depotDomain], { seed: true, events: false })
    const client = seeded.client(depot, { tenant: 'globex' })
    const [third, ...others] = (await client.listStorageBoxes({ first: 100 })).items
    expect([third, ...others].map((item) => item!.name)).toEqual(['Third', 'Second', 'First'])
    expect(await client.getStorageBoxTally({})).toEqual({ active: 3, archived: 0 })
    const changed = await client.updateStorageBox({ id: third!.id, name: 'Mine' })
    await seeded.host.seed()
    expect((await client.listStorageBoxes({ first: 100 })).items).toEqual([changed, ...others])
    await seeded.stop()
  })
})
