import { type DomainContext, defineDomain } from '@offshoot/host'
import { command, defineContract, type Handlers, query } from '@offshoot/rpc'
import { z } from 'zod'
// The generated client of the data package's own test domain: its migration does for any name.
import { shop as tables } from '../../data/test/shop/shop.ts'
import { PrismaClient } from '../../data/test/shop/src/generated/prisma/client.ts'

const everyone = ['owner', 'admin', 'member'] as const
const input = z.object({ key: z.string() })
const output = z.object({ keys: z.array(z.string()) })

export const shop = defineContract('shop', {
  actions: { 'shop:use': everyone },
  calls: {
    run: command({ action: 'shop:use', input, output }),
    keys: query({ action: 'shop:use', input: z.object({}), output }),
    runForUser: command({ audience: 'user', input, output }),
  },
})

/** Another domain, which calls the shop. */
export const desk = defineContract('desk', {
  actions: { 'desk:use': everyone },
  calls: { run: command({ action: 'desk:use', input, output }) },
})

export type ShopContext = DomainContext<PrismaClient>
export type DeskContext = DomainContext<PrismaClient, { shop: typeof shop }>

export const keysOf = async (db: ShopContext['db']) =>
  (await db.order.findMany({ orderBy: { key: 'asc' } })).map(({ key }) => key)

type ShopRun = Handlers<typeof shop, ShopContext>['run']
const data = { directory: tables.directory, globalTables: tables.globalTables }
const prisma = (adapter: any) => new PrismaClient({ adapter })

/** The shop; what its commands do is up to the test. */
export function shopDomain(run: ShopRun, more: object = {}) {
  return defineDomain({
    contract: shop,
    data,
    prisma,
    calls: () => ({ run, runForUser: run, keys: async ({ db }: ShopContext) => ({ keys: await keysOf(db) }) }),
    ...more,
  })
}

export function deskDomain(run: Handlers<typeof desk, DeskContext>['run']) {
  return defineDomain({ contract: desk, data, prisma, uses: { shop }, calls: () => ({ run }) })
}
