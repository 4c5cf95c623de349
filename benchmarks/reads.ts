/**
 * What isolating tenants costs: one product is read by its primary key, by 32 callers at a time, for 16 tenants in turns. Each
 * variant has eight connections to the same server and reads the same rows.
 *
 * Prisma merges the `findUnique` calls that callers make in the same tick into one statement, whoever they are for (the trap that lanes
 * close), which would flatter the variants with one client for all; hence each call here begins in a tick of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { catalogDomain } from '@offshoot/catalog'
import { openLanes } from '@offshoot/data'
import { migrate, roleUrls } from '@offshoot/data/migrate'
import { startServer } from '@offshoot/data/server'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type { Program } from './bench.ts'
import { measure, type Variant } from './rounds.ts'

const callers = 32
const connections = 8
const tenants = Array.from({ length: 16 }, (_, i) => `00000000-0000-4000-8000-0000000000${10 + i}`)
const productsPerTenant = 1_000
const secret = 'of-no-database-but-this-benchmark-s-own'

export const run: Program = async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'offshoot-bench-'))
  const server = await startServer({ dataDir, durable: false })
  const cleanUp: (() => Promise<unknown>)[] = []
  try {
    const { serving } = await prepare(server.url)
    const variants = await openVariants(serving, cleanUp)
    const figures = await measure(Object.values(variants), { callers, rounds: 7, duration: 1_500 })
    const perSecond = (variant: Variant) => figures.get(variant)!.median
    const ratio = (one: Variant, other: Variant) => perSecond(one) / perSecond(other)

    console.log(
      `Reads by primary key, ${callers} callers, ${connections} connections, ${availableParallelism()} processors.`,
    )
    console.log('Medians of 7 rounds in turns; ratios to pg and to Prisma without tenancy.\n')
    console.log(`${'reads/s'.padStart(9)} ${'÷ pg'.padStart(6)} ${'÷ Prisma'.padStart(9)}`)
    for (const variant of Object.values(variants)) {
      const numbers = [
        Math.round(perSecond(variant)).toLocaleString('en').padStart(9),
        ratio(variant, variants.pg).toFixed(2).padStart(6),
        ratio(variant, variants.prisma).toFixed(2).padStart(9),
      ]
      console.log(`${numbers.join(' ')}  ${variant.name}\n${' '.repeat(28)}${variant.about}`)
    }
    console.log()
    const targets = [
      { what: 'lanes ÷ Prisma without tenancy', is: ratio(variants.lanes, variants.prisma), atLeast: 1.0 },
      {
        what: 'lanes ÷ Prisma with the documented extension',
        is: ratio(variants.lanes, variants.extension),
        atLeast: 3.5,
      },
    ]
    for (const { what, is, atLeast } of targets) {
      console.log(`${is >= atLeast ? 'met   ' : 'MISSED'}  ${what}: ${is.toFixed(2)}, at least ${atLeast.toFixed(1)}`)
    }
    return targets.every(({ is, atLeast }) => is >= atLeast)
  } finally {
    for (const close of cleanUp) await close()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** The catalog's products with tenants, and the same rows in a table `plain.product` without row security. */
async function prepare(adminUrl: string): Promise<{ serving: string }> {
  await migrate({ adminUrl, domains: [catalogDomain.data], appSecret: secret })
  const { serving } = roleUrls(adminUrl, 'catalog', secret)
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  await admin.query(
    `insert into catalog.product (tenant_id, id, sku, name, description, price_minor, currency, stock, search)
     select tenant::uuid, md5(tenant || n)::uuid, 'SKU-' || n, 'Product ' || n, 'What it is for, in one sentence.', n, 'EUR', n, 'product ' || n
     from unnest($1::text[]) tenant, generate_series(1, $2::int) n`,
    [tenants, productsPerTenant],
  )
  await admin.query(`
    create schema plain;
    create table plain.product (like catalog.product including all);
    insert into plain.product select * from catalog.product;
    grant usage on schema plain to "${new URL(serving).username}";
    grant select on plain.product to "${new URL(serving).username}";
    analyze catalog.product, plain.product`)
  await admin.end()
  return { serving }
}

async function openVariants(url: string, cleanUp: (() => Promise<unknown>)[]) {
  const ids = await idsByTenant(url)
  let turn = 0
  /** The next tenant, and one of its products. */
  function next() {
    const tenant = tenants[turn % tenants.length]!
    const ofTenant = ids.get(tenant)!
    const id = ofTenant[(turn++ * 7919) % ofTenant.length]!
    return { tenant, id }
  }
  function checked(product: { id: string } | null | undefined, id: string): void {
    if (product?.id !== id) throw new Error(`Product ${id} was asked for and ${product?.id} answered.`)
  }
  function openPool(): pg.Pool {
    const pool = new pg.Pool({ connectionString: url, max: connections, min: connections })
    cleanUp.push(() => pool.end())
    return pool
  }

  const columns = 'tenant_id, id, sku, name, description, price_minor, currency, stock, archived, search, created_at'
  const sql = (schema: string) => `select ${columns} from ${schema}.product where tenant_id = $1 and id = $2`
  const whereKey = (tenantId: string, id: string) => ({ where: { tenantId_id: { tenantId, id } } }) as never

  const plainPool = openPool()
  const blockPool = openPool()
  const { prisma: newClient } = catalogDomain.definition
  const prisma = newClient(new PrismaPg(openPool(), { schema: 'plain' }))
  const names = new Map<string, string>()
  const statementNameGenerator = ({ sql }: { sql: string }) => {
    if (!names.has(sql)) names.set(sql, `s${names.size}`)
    return names.get(sql)!
  }
  const preparing = newClient(new PrismaPg(openPool(), { schema: 'plain', statementNameGenerator }))
  const secured = newClient(new PrismaPg(openPool(), { schema: 'catalog' }))

  /** As https://github.com/prisma/prisma-client-extensions/tree/main/row-level-security has it; made once per tenant, not per call. */
  const forTenant = (tenant: string) =>
    secured.$extends({
      query: {
        $allModels: {
          async $allOperations({ args, query }: { args: unknown; query(args: unknown): Promise<unknown> }) {
            const [, result] = await secured.$transaction([
              secured.$executeRaw`SELECT set_config('app.tenant_id', ${tenant}, TRUE)`,
              query(args) as never,
            ])
            return result
          },
        },
      },
    })
  const extended = new Map(tenants.map((tenant) => [tenant, forTenant(tenant)]))

  const lanes = await openLanes({
    url,
    schema: 'catalog',
    prisma: newClient,
    statementConnections: connections,
    transactionConnections: 1,
  })
  cleanUp.push(() => lanes.close())

  return {
    pg: {
      name: 'pg, no tenancy',
      about: 'pg.Pool, a prepared statement; no row security',
      async call() {
        const { tenant, id } = next()
        const { rows } = await plainPool.query({ name: 'plain', text: sql('plain'), values: [tenant, id] })
        checked(rows[0], id)
      },
    },
    prisma: {
      name: 'Prisma, no tenancy',
      about: 'one client, as it comes: statements are not prepared; no row security',
      async call() {
        const { tenant, id } = next()
        checked(await prisma.product.findUnique(whereKey(tenant, id)), id)
      },
    },
    prepared: {
      name: 'Prisma, no tenancy, prepared statements',
      about: 'the same with a statementNameGenerator, as lanes have one',
      async call() {
        const { tenant, id } = next()
        checked(await preparing.product.findUnique(whereKey(tenant, id)), id)
      },
    },
    extension: {
      name: 'Prisma with its documented extension for row security',
      about: '$extends with $transaction([set_config, query]): four round trips',
      async call() {
        const { tenant, id } = next()
        checked(await extended.get(tenant)!.product.findUnique(whereKey(tenant, id)), id)
      },
    },
    block: {
      name: 'pg, BEGIN; set_config; query; COMMIT',
      about: 'the textbook, by hand: prepared statements, row security, four round trips',
      async call() {
        const { tenant, id } = next()
        const client = await blockPool.connect()
        try {
          await client.query('BEGIN')
          await client.query({ name: 'set', text: `select set_config('app.tenant_id', $1, true)`, values: [tenant] })
          const { rows } = await client.query({ name: 'get', text: sql('catalog'), values: [tenant, id] })
          await client.query('COMMIT')
          checked(rows[0], id)
        } finally {
          client.release()
        }
      },
    },
    lanes: {
      name: 'lanes',
      about:
        'Prisma in a lane per call: row security, the tenant in every statement, prepared statements, one round trip',
      async call() {
        const { tenant, id } = next()
        checked(await lanes.use(tenant as never, (db) => db.product.findUnique({ where: { id } })), id)
      },
    },
  } satisfies Record<string, Variant>
}

async function idsByTenant(url: string): Promise<Map<string, string[]>> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query('select tenant_id, array_agg(id) as ids from plain.product group by tenant_id')
  await client.end()
  return new Map(rows.map((row) => [row.tenant_id, row.ids]))
}
