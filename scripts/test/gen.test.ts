import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unwrittenChange } from '@offshoot/data/migrate'
import { emptyDatabase } from '@offshoot/data/testing'
import { depotDomain } from '@offshoot/depot'
import { parseSync } from 'oxc-parser'
import { describe, expect, it } from 'vitest'
import { Changes } from '../changes.ts'
import { readPackages } from '../check/workspace.ts'
import { root } from '../database.ts'
import { appFiles } from '../extraction/app-files.ts'
import { addDomain } from '../generators/domain.ts'
import { addEntity } from '../generators/entity.ts'
import { addEvent } from '../generators/event.ts'
import { example, exampleFiles, isTally, type Naming, renamer } from '../generators/example.ts'
import { pluralOf, singularOf } from '../generators/names.ts'
import { importerOf, unregister } from '../generators/registration.ts'

const warehouse: Naming = { domain: 'warehouse', entity: 'asset-tag', plural: 'asset-tags' }
const shelf: Naming = { domain: 'warehouse', entity: 'shelf', plural: 'shelves' }
const now = new Date('2030-01-02T03:04:05Z')

/** The tree with a new domain in it, in memory. */
function withWarehouse(): Changes {
  const changes = new Changes(root)
  addDomain(changes, warehouse, now)
  return changes
}

/** What changes differ in from the tree, however it is formatted. */
function differing(changes: Changes): [path: string, text: string][] {
  const present = new Changes(root)
  return [...changes.files]
    .map(([path, text]): [string, string] => [path, bare(text ?? '')])
    .filter(([path, text]) => text !== bare(present.read(path) ?? ''))
}

const inWarehouse = (path: string) => `packages/domains/warehouse/${path}`
const bare = (text: string) => text.replaceAll(/[\s,]+/g, '')
/** In whatever order: the formatter puts imports in theirs. */
const lines = (text: string) => text.split('\n').sort()

function expectSources(changes: Changes): void {
  for (const [path, text] of changes.files)
    if (path.endsWith('.ts')) expect(parseSync(path, text ?? '').errors, path).toEqual([])
}

describe('the example', () => {
  it('is in no list of the product, and has the migration that its schema asks for', async () => {
    const { adminUrl, drop } = await emptyDatabase()
    expect(await unwrittenChange({ adminUrl, domain: depotDomain.data })).toBeUndefined()
    await drop()
    for (const path of ['apps/gateway/src/domains.ts', 'apps/gateway/schema.graphql', '.github/CODEOWNERS'])
      expect(new Changes(root).read(path)).not.toMatch(/depot|storage/i)
  })

  it('is what is generated, byte for byte, but for the names', () => {
    const changes = withWarehouse()
    const back = renamer(example, warehouse)
    const made = new Map(
      changes
        .list('packages/domains/warehouse')
        .map((path) => [back(path).replace('20300102030405', '20261125000000'), back(changes.read(path)!)]),
    )
    const present = [...exampleFiles(changes)].map(([path, text]) => [`packages/domains/depot/${path}`, text])
    expect(made).toEqual(new Map(present as [string, string][]))
    expect(made.size).toBeGreaterThan(15)
  })
})

describe('a new domain', () => {
  it('has nothing of the example’s names, and the right articles', () => {
    for (const [path, text] of withWarehouse().files) {
      const added = path.startsWith('packages/domains/warehouse/')
      if (added) expect(`${path} ${text}`).not.toMatch(/depot|storage.?box/i)
    }
    expect(withWarehouse().read(inWarehouse('src/create-asset-tag.ts'))).toContain('/** Adds an asset tag.')
  })

  it('is named wherever a domain is, and unregistering it is the exact way back', () => {
    const changes = withWarehouse()
    const outside = [...changes.files.keys()].filter((path) => !path.startsWith('packages/domains/warehouse/'))
    expect(outside).toEqual([
      '.github/CODEOWNERS',
      'README.md',
      'apps/gateway/package.json',
      'apps/gateway/src/domains.ts',
      'docs/architecture.md',
      'docs/guides/operating.md',
      'pnpm-lock.yaml',
    ])
    expectSources(changes)
    changes.removeDirectory('packages/domains/warehouse')
    unregister(changes, 'warehouse')
    expect(differing(changes)).toEqual([])
  })

  it('is told to services that must know every contract, and taken back from them', () => {
    const names = ['identity', 'stockroom', 'yard']
    const service = (list: string[]) => {
      const contracts = Object.fromEntries(list.map((name) => [name, name]))
      return Object.entries(appFiles({ domain: 'identity', exported: 'identityDomain', contracts }, 4101))
    }
    const changes = new Changes(root)
    for (const [path, text] of service(names)) changes.write(`apps/identity/${path}`, text)
    const lockfile = changes.read('pnpm-lock.yaml')!
    const block = importerOf(lockfile, 'apps/gateway').replace('apps/gateway', 'apps/identity')
    changes.write('pnpm-lock.yaml', lockfile.replace('\n\n  benchmarks:', `\n\n${block}\n  benchmarks:`))
    const before = differing(changes)
    addDomain(changes, warehouse, now)
    for (const [path, text] of service([...names, 'warehouse'].sort()))
      expect(lines(changes.read(`apps/identity/${path}`)!)).toEqual(lines(text))
    changes.removeDirectory('packages/domains/warehouse')
    unregister(changes, 'warehouse')
    expect(differing(changes)).toEqual(before)
  })

  it('keeps Windows’ ends of lines in the files that it changes', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'offshoot-gen-'))
    const present = new Changes(root)
    const changed = [...withWarehouse().files.keys()].filter((path) => present.read(path) !== undefined)
    for (const path of [...changed, ...present.list(example.folder)]) {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      writeFileSync(join(copy, path), present.read(path)!.replaceAll('\n', '\r\n'))
    }
    const changes = new Changes(copy)
    addDomain(changes, warehouse, now)
    await changes.apply()
    expect(changed.length).toBeGreaterThan(5)
    for (const path of changed) {
      expect(readFileSync(join(copy, path), 'utf8')).not.toMatch(/[^\r]\n/)
      expect(changes.read(path)).toBe(withWarehouse().read(path))
    }
    rmSync(copy, { recursive: true })
  })
})

describe('a new entity', () => {
  it('is all of the example but its tally, in the files of the domain', () => {
    const changes = withWarehouse()
    addEntity(changes, shelf, now)
    expectSources(changes)
    const rename = renamer(shelf)
    for (const [path, text] of exampleFiles(changes)) {
      if (!/^(src|test)\//.test(path) || isTally(path) || !path.includes(example.entity)) continue
      expect(changes.read(inWarehouse(rename(path)))).toBe(rename(text))
    }
    const contract = bare(changes.read(inWarehouse('src/contract.ts'))!)
    const [before, calls] = exampleFiles(changes).get('src/contract.ts')!.split('export const depot')
    for (const statement of `${before}${calls!.split('\n})\n').slice(1).join('\n})\n')}`.split(/\n\n/)) {
      if (!isTally(statement) && !statement.startsWith('import')) expect(contract).toContain(bare(rename(statement)))
    }
    expect(contract).toContain(bare('archiveShelf: command({ action: "shelf:write"'.replaceAll('"', "'")))
    expect(changes.read(inWarehouse('src/contract.ts'))).not.toMatch(/ShelfTally/)
    expect(changes.read(inWarehouse('src/domain.ts'))).toMatch(/archiveShelf,\n[\s\S]*ShelfArchived,?\s*\]/)
    expect(changes.read(inWarehouse('src/graphql.ts'))).toContain('const Shelf = entity(ShelfEntity)')
  })

  it('has the migration that db:migration would write', async () => {
    const changes = withWarehouse()
    addEntity(changes, shelf, now)
    const [, second] = changes.list(inWarehouse('prisma/migrations')).filter((path) => path.endsWith('.sql'))
    expect(second).toContain('/20300102030406_add_shelf/')
    const init = exampleFiles(changes).get('prisma/migrations/20261125000000_init/migration.sql')!
    const parts = renamer(shelf)(init)
      .split(/\n\n(?=-- )|\n(?=SELECT)/)
      .filter((part) => !isTally(part))
    expect(bare(changes.read(second!)!)).toBe(bare(parts.join('\n')))
  })

  it.each(readPackages().filter(({ directory }) => /^packages\/domains\//.test(directory)))(
    'goes into $directory',
    ({ directory }) => {
      const changes = new Changes(root)
      addEntity(changes, { domain: directory.split('/')[2]!, entity: 'asset-tag', plural: 'asset-tags' }, now)
      expectSources(changes)
      expect(changes.read(`${directory}/src/contract.ts`)).toMatch(
        /'asset-tag:write': managers[\s\S]*createAssetTag: command/,
      )
      expect(changes.read(`${directory}/src/domain.ts`)).toMatch(/emits: \[[^\]]*AssetTagArchived/)
    },
  )

  it('is refused the second time, and where its files are already', () => {
    const changes = withWarehouse()
    addEntity(changes, shelf, now)
    expect(() => addEntity(changes, shelf, now)).toThrow(expect.objectContaining({ code: 'EXISTS' }))
    changes.write(inWarehouse('src/create-pallet.ts'), '')
    expect(() => addEntity(changes, { ...shelf, entity: 'pallet', plural: 'pallets' }, now)).toThrow(
      expect.objectContaining({ code: 'EXISTS', message: expect.stringContaining('create-pallet.ts') }),
    )
  })

  it.each<[string, string, RegExp, string]>([
    ['the contract', 'src/contract.ts', /export const warehouse = defineContract/, 'const inventory = other'],
    ['its calls', 'src/contract.ts', / calls: \{/, ' ...shared, call: {'],
    ['the wiring', 'src/domain.ts', /defineDomain\(/, 'makeDomain('],
    ['the calls of the wiring', 'src/domain.ts', /calls: \(\) => \(\{/, 'calls: theCalls, more: () => ({'],
    ['the context', 'src/domain.ts', /export type WarehouseContext/, 'export type Context'],
    [
      'its part of the schema',
      'src/graphql.ts',
      /export const graphql: SchemaPart = \(\{/,
      'export const part: SchemaPart = ({',
    ],
  ])('says where it cannot find its place: %s', (_, path, pattern, other) => {
    const changes = withWarehouse()
    const text = changes.read(inWarehouse(path))!
    expect(text).toMatch(pattern)
    changes.write(inWarehouse(path), text.replace(pattern, other))
    expect(() => addEntity(changes, shelf, now)).toThrow(
      expect.objectContaining({ code: 'PLACE_NOT_FOUND', message: expect.stringContaining(path) }),
    )
  })
})

describe('a new event', () => {
  const tagMoved = { domain: 'warehouse', event: 'AssetTagMoved' }

  it('is declared, listed, and told beside what the use case tells', () => {
    const changes = withWarehouse()
    addEvent(changes, { ...tagMoved, on: 'update-asset-tag' })
    expectSources(changes)
    expect(
      changes.read(inWarehouse('src/contract.ts')),
    ).toContain(`export const AssetTagMoved = defineEvent('warehouse.AssetTagMoved', {
  ...aboutAssetTag,
  data: z.object({ assetTagId: AssetTagId }),
})`)
    expect(changes.read(inWarehouse('src/domain.ts'))).toMatch(/emits: \[[^\]]*AssetTagMoved/)
    const useCase = changes.read(inWarehouse('src/update-asset-tag.ts'))!
    expect(useCase).toMatch(/note: updated\.note \}\)\ntx\.emit\(AssetTagMoved, \{ assetTagId: updated\.id \}\)/)
    expect(useCase).toMatch(/import \{[^}]*AssetTagMoved[^}]*\} from '.\/contract.ts'/)
    expect(changes.read(inWarehouse('test/asset-tag-moved.test.ts'))).toMatch(
      /await client.updateAssetTag\(\{ id \}\)[\s\S]*AssetTagMoved.name, `asset-tag\/\$\{id\}`/,
    )
    expect(() => addEvent(changes, tagMoved)).toThrow(expect.objectContaining({ code: 'EXISTS' }))
  })

  it('is told by nobody when nothing is said, and is about the entity that its name begins with', () => {
    const changes = withWarehouse()
    addEntity(changes, shelf, now)
    addEvent(changes, { domain: 'warehouse', event: 'ShelfMoved' })
    addEvent(changes, { domain: 'warehouse', event: 'StockCounted', about: 'asset-tag' })
    const contract = changes.read(inWarehouse('src/contract.ts'))!
    expect(contract).toMatch(/ShelfMoved = defineEvent\('warehouse.ShelfMoved', \{\s+\.\.\.aboutShelf/)
    expect(contract).toMatch(/StockCounted = defineEvent\('warehouse.StockCounted', \{\s+\.\.\.aboutAssetTag/)
    expect(() => addEvent(changes, { domain: 'warehouse', event: 'StockLost' })).toThrow(
      expect.objectContaining({ code: 'ABOUT_WHAT', message: expect.stringContaining('asset-tag, shelf') }),
    )
  })

  it('says itself what it is about in a contract that was written by hand', () => {
    const changes = withWarehouse()
    const path = inWarehouse('src/contract.ts')
    changes.write(path, changes.read(path)!.replaceAll('aboutAssetTag', 'common'))
    addEvent(changes, tagMoved)
    expectSources(changes)
    expect(changes.read(path)).toContain(
      "version: 1,\n  aggregate: 'asset-tag',\n  key: ({ assetTagId }) => assetTagId,",
    )
  })

  it.each<[string, object, string]>([
    ['an event that is no sentence', { event: 'moved' }, 'BAD_NAME'],
    ['an event of one word', { event: 'Moved' }, 'BAD_NAME'],
    ['an event with a space', { event: 'Shelf Moved' }, 'BAD_NAME'],
    ['an event of 200 letters', { event: `Shelf${'Moved'.repeat(40)}` }, 'NAME_TOO_LONG'],
    ['an event that exists', { event: 'AssetTagCreated' }, 'EXISTS'],
    ['a domain that there is not', { domain: 'nowhere', event: 'ThingMoved' }, 'UNKNOWN_DOMAIN'],
    ['a path for a domain', { domain: '../identity', event: 'ThingMoved' }, 'UNKNOWN_DOMAIN'],
    ['an entity that there is not', { event: 'ThingMoved', about: 'thing' }, 'UNKNOWN_ENTITY'],
    ['a use case that there is not', { on: 'move-asset-tag' }, 'PLACE_NOT_FOUND'],
    ['a use case that tells nothing', { on: 'list-asset-tags' }, 'PLACE_NOT_FOUND'],
    ['a path for a use case', { on: '../../identity/src/users' }, 'BAD_NAME'],
  ])('refuses %s', (_, change, code) => {
    expect(() => addEvent(withWarehouse(), { ...tagMoved, ...change })).toThrow(expect.objectContaining({ code }))
  })
})

describe('names', () => {
  it.each<[string, Partial<Naming>, string]>([
    ['a space', { domain: 'ware house' }, 'BAD_NAME'],
    ['capitals', { domain: 'Warehouse' }, 'BAD_NAME'],
    ['a hyphen in a domain', { domain: 'ware-house' }, 'BAD_NAME'],
    ['a leading digit', { domain: '3pl' }, 'BAD_NAME'],
    ['nothing', { domain: '' }, 'BAD_NAME'],
    ['a path', { domain: '../../etc' }, 'BAD_NAME'],
    ['__proto__', { domain: '__proto__' }, 'BAD_NAME'],
    ['a letter of another alphabet', { domain: 'lagerhäuser' }, 'BAD_NAME'],
    ['SQL', { domain: `x'; drop table "order"; --` }, 'BAD_NAME'],
    ['200 letters', { domain: 'w'.repeat(200) }, 'NAME_TOO_LONG'],
    ['constructor', { domain: 'constructor' }, 'RESERVED'],
    ['a word of TypeScript', { domain: 'interface' }, 'RESERVED'],
    ['a word of SQL', { domain: 'select' }, 'RESERVED'],
    ['a module of Node.js', { domain: 'http' }, 'RESERVED'],
    ['the package of a platform', { domain: 'flags' }, 'RESERVED'],
    ['the package of the transport', { domain: 'events' }, 'RESERVED'],
    ['the example', { domain: 'depot' }, 'RESERVED'],
    ['a schema that is taken', { domain: 'public' }, 'RESERVED'],
    ['the beginning of settings', { domain: 'smtp' }, 'RESERVED'],
    ['what a test would be configured by', { domain: 'test' }, 'RESERVED'],
    ['a name of the generated code', { domain: 'graphql' }, 'RESERVED'],
    ['an app', { domain: 'gateway' }, 'EXISTS'],
    ['a domain that exists', { domain: 'identity' }, 'EXISTS'],
    ['an entity with capitals', { entity: 'AssetTag' }, 'BAD_NAME'],
    ['an entity with an underscore', { entity: 'asset_tag' }, 'BAD_NAME'],
    ['an entity that is a path', { entity: 'asset/tag' }, 'BAD_NAME'],
    ['an entity with a digit first', { entity: 'asset-1' }, 'BAD_NAME'],
    ['an entity of 200 letters', { entity: 'a'.repeat(200) }, 'NAME_TOO_LONG'],
    ['an entity that is a word of SQL', { entity: 'user', plural: 'users' }, 'RESERVED'],
    ['an entity that is a word of TypeScript', { entity: 'type', plural: 'types' }, 'RESERVED'],
    ['a table of events', { entity: 'outbox', plural: 'outboxes' }, 'RESERVED'],
    ['a type that generated code uses', { entity: 'row', plural: 'rows' }, 'RESERVED'],
    ['a type of the public schema', { entity: 'organization', plural: 'organizations' }, 'EXISTS'],
    ['a field of the public schema', { entity: 'colleague', plural: 'me' }, 'EXISTS'],
    ['many for one', { entity: 'shelves', plural: 'shelveses' }, 'LOOKS_PLURAL'],
    ['one for many', { entity: 'sheep', plural: 'sheep' }, 'SAME_PLURAL'],
    ['a plural that is a path', { entity: 'shelf', plural: '../x' }, 'BAD_NAME'],
  ])('refuse %s', (_, change, code) => {
    const changes = new Changes(root)
    expect(() => addDomain(changes, { ...warehouse, ...change }, now)).toThrow(expect.objectContaining({ code }))
    expect(changes.files.size).toBe(0)
  })

  it('may look like many, where somebody says what many are called', () => {
    expect(() =>
      addDomain(new Changes(root), { domain: 'optics', entity: 'lens', plural: 'lens-set' }, now),
    ).not.toThrow()
  })

  it.each([
    ['shelf', 'shelves'],
    ['price-list', 'price-lists'],
    ['category', 'categories'],
    ['tray', 'trays'],
    ['box', 'boxes'],
    ['branch', 'branches'],
    ['address', 'addresses'],
    ['contact-person', 'contact-people'],
    ['roof', 'roofs'],
    ['knife', 'knives'],
  ])('%s becomes %s', (one, many) => {
    expect(pluralOf(one)).toBe(many)
    expect(singularOf(one)).toBeUndefined()
    expect(singularOf(many)).toBe(one)
  })
})
