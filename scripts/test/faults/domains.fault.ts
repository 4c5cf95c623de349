import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installedClone } from '../clone.ts'
import { sh } from '../shell.ts'
import { Command, freePort } from './product.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-domains-'))
let clone: string
beforeAll(async () => {
  clone = await installedClone(directory)
}, 300_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The environment of somebody at a terminal. */
const { NODE_ENV: _, FAULTS: __, ...env } = process.env
const inClone = (command: string) => sh(clone, command)
const status = () => inClone('git status --porcelain')
const isThere = () => existsSync(join(clone, 'packages/domains/warehouse/package.json'))

/** Sends a signal when the folder of the domain is there, or not any more. After that the tree has to be as it was, at once, or after SIGKILL by the next command, unless the installation has done it that the killed one had begun. */
async function expectTakenBack(signal: NodeJS.Signals, command: string, there: boolean): Promise<void> {
  const program = spawn('node_modules/.bin/node', command.split(' '), { cwd: clone, env })
  const ended = once(program, 'close')
  await expect.poll(isThere, { timeout: 60_000, interval: 5 }).toBe(there)
  program.kill(signal)
  await ended
  const next = await inClone('npm run -s gen domain A || true')
  expect(next).toContain('BAD_NAME')
  if (signal !== 'SIGKILL') expect(next).not.toContain('Took back')
  expect(await status()).toBe('')
}

describe('generating a domain', () => {
  it('shows what it would write, and writes nothing', async () => {
    const shown = await inClone('npm run -s gen domain warehouse -- --dry-run')
    expect(shown).toMatch(/^Would generate the domain warehouse with the entity warehouse-item: \d+ files/)
    expect(shown).toContain('+type WarehouseItem {')
    expect(shown).toContain(
      '+| `warehouse.WarehouseItemCreated` | 1 | warehouse-item | warehouse | `warehouse.warehouse-item-tally` |',
    )
    expect(shown).toContain('+#WAREHOUSE_DATABASE_URL=')
    expect(await inClone('npm run -s gen domain warehouse --dry-run')).toContain('Nothing was written.') // as npm takes it
    expect(await status()).toBe('')
  }, 120_000)

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'leaves the tree as it was after %s in the middle',
    (signal) => expectTakenBack(signal, 'scripts/gen.ts domain warehouse --yes', true),
    180_000,
  )

  it.each<[string, string, RegExp]>([
    ['what it cannot generate', 'planet', /UNKNOWN_KIND: There is no "planet"/],
    ['nothing', '', /UNKNOWN_KIND/],
    ['a name with spaces', 'domain ware house', /BAD_NAME: domain takes 1 name, and these are 2: ware house/],
    ['a name that was not given', 'domain', /NAME_MISSING: The domain, in one word/],
    ['an option that there is not', 'domain warehouse --colour red', /UNKNOWN_OPTION: .*--colour/],
    ['a path', 'domain ../../etc', /BAD_NAME/],
  ])(
    'refuses %s, and changes nothing',
    async (_, args, why) => {
      const before = await status()
      await expect(inClone(`node_modules/.bin/node scripts/gen.ts ${args} </dev/null`)).rejects.toThrow(why)
      expect(await status()).toBe(before)
    },
    60_000,
  )

  it('is seen by a product that runs, with what is changed there next', async () => {
    const dev = new Command(process.execPath, ['scripts/dev.ts'], { PORT: String(await freePort()) }, clone)
    const url = await dev.ready(60_000)
    await inClone('npm run -s gen domain warehouse -- --yes && git add -A && git commit -qm warehouse')
    const asked = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"query":"{ __type(name: \\"WarehouseItem\\") { description name } }"}',
    }
    const answer = async () => (await fetch(`${url}/graphql`, asked)).text()
    const answers = (text: string) => expect.poll(() => answer().catch(String), { timeout: 30_000 }).toContain(text)
    await answers('"name":"WarehouseItem"')
    const file = join(clone, 'packages/domains/warehouse/src/graphql.ts')
    writeFileSync(file, readFileSync(file, 'utf8').replace('WarehouseItem.implement({', "$& description: 'Ours.',"))
    await answers('"description":"Ours."')
    await inClone('git checkout -q .')
    await dev.stop('SIGINT')
  }, 180_000)
})

describe('removing a domain', () => {
  const remove = (options = '') => inClone(`npm run -s remove domain warehouse -- --yes ${options}`)

  it.each(['SIGINT', 'SIGKILL'] as const)(
    'leaves the tree as it was after %s in the middle',
    (signal) => expectTakenBack(signal, 'scripts/remove.ts domain warehouse --yes', false),
    180_000,
  )

  it('is refused when others have changes that it would not undo, unless somebody insists', async () => {
    await inClone('echo >> README.md')
    await expect(remove()).rejects.toThrow(/DIRTY: .*README.md/)
    expect(await remove('--force --dry-run')).toContain('-import { warehouseDomain }')
    expect(await status()).toBe(' M README.md\n')
    await inClone('git checkout -q README.md')
  }, 120_000)

  // #region with catalog, orders
  it('is refused for those who need it, unless somebody agrees', async () => {
    await expect(inClone('npm run -s remove domain catalog')).rejects.toThrow(
      /orders needs catalog: .*packages\/domains\/orders\/src\/contract.ts[\s\S]*NEEDED/,
    )
    expect(await status()).toBe('')
  }, 60_000)
  // #endregion
})
