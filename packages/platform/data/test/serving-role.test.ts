import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../src/testing/index.ts'
import { shop, shopLanes } from './shop/shop.ts'

describe('the role that serves a domain', () => {
  let database: TestDatabase
  let admin: pg.Client
  const made: string[] = []
  beforeAll(async () => {
    database = await testDatabase([shop])
    admin = new pg.Client(database.adminUrl)
    await admin.connect()
  })
  afterAll(async () => {
    for (const role of made) await admin.query(`drop owned by ${role}; drop role ${role}`)
    await admin.end()
    await database.drop()
  })

  /** The URL of a new role. Roles belong to the whole server, so that each gets a name of its own. */
  async function role(attributes: string): Promise<{ name: string; url: string }> {
    const name = `test_role_${randomBytes(4).toString('hex')}`
    await admin.query(`create role ${name} login password 'x' ${attributes}`)
    await admin.query(`grant connect on database ${new URL(database.adminUrl).pathname.slice(1)} to ${name}`)
    await admin.query(`grant usage on schema app, shop to ${name}`)
    made.unshift(name)
    const url = new URL(database.adminUrl)
    url.username = name
    url.password = 'x'
    return { name, url: url.href }
  }
  const serving = async (url: string) => (await shopLanes(url)).close()

  it('may be the one that the migration makes', async () => {
    await serving(database.urls.shop!.serving)
  })

  it.each([
    ['a superuser', 'superuser', 'it is a superuser'],
    ['a role with BYPASSRLS', 'bypassrls', 'it has BYPASSRLS'],
    ['a role that can make itself a member of others', 'createrole', 'CREATEROLE'],
  ])('must not be %s, nor a member of one', async (_, attribute, reason) => {
    const dangerous = await role(attribute)
    await expect(serving(dangerous.url)).rejects.toThrow(reason)
    const member = await role('noinherit')
    await admin.query(`grant ${dangerous.name} to ${member.name}`)
    await expect(serving(member.url)).rejects.toThrow(`member of ${dangerous.name}`)
    const distant = await role('')
    await admin.query(`grant ${member.name} to ${distant.name}`)
    await expect(serving(distant.url)).rejects.toThrow(`member of ${dangerous.name}`)
  })

  it('must not own a table, nor be a member of its owner', async () => {
    const owner = await role('')
    await admin.query(`create table shop.owned (id int); alter table shop.owned owner to ${owner.name}`)
    await expect(serving(owner.url)).rejects.toThrow('owns shop.owned')
    const member = await role('noinherit')
    await admin.query(`grant ${owner.name} to ${member.name}`)
    await expect(serving(member.url)).rejects.toThrow('owns shop.owned')
    await admin.query('drop table shop.owned')
  })

  it("must not be the domain's system role, nor a member of it: its policy shows every tenant", async () => {
    const { system } = database.urls.shop!
    await expect(serving(system)).rejects.toThrow(/policy system of shop\.\S+ lets it see every tenant/)
    const member = await role('')
    await admin.query(`grant "${new URL(system).username}" to ${member.name}`)
    await expect(serving(member.url)).rejects.toThrow('see every tenant')
  })

  it('is not asked for when the database is down', async () => {
    await expect(serving('postgres://nobody@127.0.0.1:1/none')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
