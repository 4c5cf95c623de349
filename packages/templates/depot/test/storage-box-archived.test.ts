import { type TestApp, testApp } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { depot, StorageBoxArchived } from '../src/contract.ts'
import { depotDomain } from '../src/domain.ts'

let app: TestApp
beforeAll(async () => {
  app = await testApp([depotDomain], { events: false })
})
afterAll(() => app.stop())

describe('StorageBoxArchived', () => {
  it('is told once, about the one that it happened to', async () => {
    const client = app.client(depot)
    await client.createStorageBox({ name: 'Another' })
    const { id } = await client.createStorageBox({ name: 'This' })
    await client.archiveStorageBox({ id })
    const told = await app.database.admin<{ version: number; data: unknown }>(
      'SELECT version, data FROM depot.outbox WHERE type = $1 AND aggregate = $2',
      [StorageBoxArchived.name, `storage-box/${id}`],
    )
    expect(told).toEqual([{ version: 1, data: { storageBoxId: id } }])
  })
})
