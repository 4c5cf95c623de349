import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { TenantId } from '@offshoot/rpc'
import { type Lanes, type LanesOptions, openLanes } from '../../src/index.ts'
import { type TestDatabase, testDatabase } from '../../src/testing/index.ts'
import { PrismaClient } from './src/generated/prisma/client.ts'

export const shop = {
  name: 'shop',
  directory: fileURLToPath(new URL('prisma', import.meta.url)),
  globalTables: { country: 'for tests of global tables' },
}

export interface Sent {
  sql: string
  tenant: string
}

export interface Shop {
  database: TestDatabase
  lanes: Lanes<PrismaClient>
  /** What lanes sent since this was last emptied. */
  sent: Sent[]
  close(): Promise<void>
}

/** A database with the shop's tables, and lanes on it. */
export async function openShop(options: Partial<LanesOptions<PrismaClient>> = {}, serverUrl?: string): Promise<Shop> {
  const database = await testDatabase([shop], serverUrl)
  const sent: Sent[] = []
  const lanes = await shopLanes(database.urls.shop!.serving, {
    onStatement: (sql, tenant) => sent.push({ sql, tenant }),
    ...options,
  })
  return {
    database,
    lanes,
    sent,
    async close() {
      await lanes.close()
      await database.drop()
    },
  }
}

export function shopLanes(
  url: string,
  options: Partial<LanesOptions<PrismaClient>> = {},
): Promise<Lanes<PrismaClient>> {
  return openLanes({ url, schema: 'shop', prisma: (adapter) => new PrismaClient({ adapter }), ...options })
}

export const newTenant = () => randomUUID() as TenantId
