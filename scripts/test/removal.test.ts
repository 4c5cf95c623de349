import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { Changes } from '../changes.ts'
import { tidied, withoutReferences } from '../removal/pieces.ts'
import { withoutRegions } from '../removal/regions.ts'
import { planRemoval, refuseUncommitted, removeDomains } from '../removal/removal.ts'
import { readModule } from '../removal/syntax.ts'

/** A file without what it imports from `@x/shop/contract`, and without what goes with it. Blank lines do not count: the formatter has the last word. */
function without(text: string): string {
  const before = readModule('a.ts', text)
  const gone = before.imports.filter(({ specifier }) => specifier === '@x/shop/contract')
  const rest = withoutReferences(
    before,
    gone.map(({ reference }) => reference),
  )
  return lines(tidied('a.ts', before, rest, undefined).text)
}

const lines = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n')

describe('what goes with an import', () => {
  it.each<[string, string, string]>([
    ['the statement that uses it', 'placed(OrderPlaced)\nother()', 'other()'],
    ['an element of a list, with its comment', 'f([\n// about orders\non(OrderPlaced), on(Else)])', 'f([\non(Else)])'],
    ['the last element of a list', 'f([on(Else), on(OrderPlaced)])', 'f([on(Else)])'],
    ['the last elements of a list', 'f([on(Else), on(OrderPlaced), off(OrderPlaced),])', 'f([on(Else),])'],
    [
      'a list of which nothing is left, and its property',
      'define({ a: 1, handlers: () => [on(OrderPlaced)] })',
      'define({ a: 1 })',
    ],
    ['a property whose value it is', 'define({ a: 1, OrderPlaced })', 'define({ a: 1 })'],
    [
      'a member of a union',
      'type Letter = { order: OrderPlaced } | { stock: number } | { x: OrderPlaced }',
      'type Letter = { stock: number }',
    ],
    [
      'a case of a switch',
      'switch (a) {\ncase 1: f(OrderPlaced); break\ncase 2: f(2)\n}',
      'switch (a) {\ncase 2: f(2)\n}',
    ],
    ['a loop that does nothing else', 'for (const a of b) {\nsend(OrderPlaced, a)\n}\nother()', 'other()'],
    [
      'what was made of it, and all who use that',
      'const held = f(OrderPlaced)\nconst sum = held.length\nput(sum)\nother()',
      'other()',
    ],
    [
      'a type that is made of it',
      'type Reason = (typeof OrderPlaced)[0]\nexport const reasons: Record<Reason, string> = {}\nother()',
      'other()',
    ],
    [
      'what only it has used',
      "import { z, y } from 'z'\nconst about = z()\nput(OrderPlaced, about)\ny()",
      "import { y } from 'z'\ny()",
    ],
  ])('%s', (_, text, rest) => {
    expect(without(`import { OrderPlaced } from '@x/shop/contract'\n${text}\n`)).toBe(rest)
  })

  it.each<[string, string]>([
    ['a name that means something else there', 'const f = ({ OrderPlaced }: Shown) => OrderPlaced.length'],
    ['a member or a key of that name', 'f(a.OrderPlaced, { OrderPlaced: 1 })'],
    ['a text that names it', "f('OrderPlaced', `OrderPlaced`)"],
    [
      'a local that was made by a call: the call may do something',
      'async function f() {\nconst row = await write()\n}',
    ],
  ])('and not %s', (_, text) => {
    expect(without(`import { OrderPlaced } from '@x/shop/contract'\nplaced(OrderPlaced)\n${text}\n`)).toBe(text)
  })
})

describe('a region', () => {
  const gone = new Set(['orders'])

  it.each<[string, string, string | null | undefined]>([
    ['in code', 'a\n// #region with orders\nb\n// #endregion\nc\n', 'a\nc\n'],
    [
      'in a page, with the blank lines around it',
      'a\n\n<!-- #region with catalog, orders -->\n\nb\n\n<!-- #endregion -->\n\nc\n',
      'a\n\nc\n',
    ],
    ['in settings', 'a:\n  # #region with orders\n  - b\n  # #endregion\n  - c\n', 'a:\n  - c\n'],
    ['that is the whole file', '// #region with orders\na\nb\n', undefined],
    ['without an end', 'a\n// #region with orders\nb\n', 'a\n'],
    [
      'with another in it',
      'a\n// #region with orders\n// #region with catalog\nb\n// #endregion\nc\n// #endregion\nd\n',
      'a\nd\n',
    ],
    [
      'in another',
      '// #region with catalog\na\n// #region with orders\nb\n// #endregion\n// #endregion\n',
      '// #region with catalog\na\n// #endregion\n',
    ],
    ['of another domain', '// #region with catalog\na\n// #endregion\n', null],
    ['that is only spoken of', 'a `#region with orders` begins\n', null],
  ])('%s', (_, text, rest) => {
    expect(withoutRegions(text, gone)).toBe(rest)
  })
})

/** A product with the domains identity, shop, desk (calls shop), mail (reacts to shop and has nothing else to do) and stock (reacts, and has commands of its own). */
const files: Record<string, string> = {
  'package.json': '{ "name": "x" }\n',
  'topology.json': '{ "apps": {} }\n',
  'README.md': 'Look at [the shop](packages/domains/shop/README.md), and at [stock](packages/domains/stock/).\n',
  'pnpm-lock.yaml': `lockfileVersion: '9.0'\n\nimporters:\n\n${[
    'apps/gateway',
    'packages/domains/desk',
    'packages/domains/identity',
    'packages/domains/mail',
    'packages/domains/shop',
    'packages/domains/stock',
  ]
    .map(
      (folder) =>
        `  ${folder}:\n    dependencies:\n      '@x/shop':\n        specifier: workspace:*\n        version: link:../shop\n`,
    )
    .join('\n')}\npackages:\n`,
  'apps/gateway/package.json':
    '{ "name": "@x/gateway", "dependencies": { "@x/shop": "workspace:*", "@x/stock": "workspace:*" } }\n',
  'apps/gateway/src/domains.ts': `import { deskDomain } from '@x/desk'
import { identityDomain } from '@x/identity'
import { mailDomain } from '@x/mail'
import { shopDomain } from '@x/shop'
import { stockDomain } from '@x/stock'
export const domains = [identityDomain, shopDomain, deskDomain, mailDomain, stockDomain]
`,
  'apps/gateway/test/shop.test.ts': "import { shop } from '@x/shop/contract'\n",
  'apps/gateway/test/walk/walk.test.ts': "// #region with shop, stock\nimport './words.ts'\n",
  'apps/gateway/test/walk/words.ts': 'export {}\n',
  'apps/gateway/test/walk/words.txt': 'words\n',
  'apps/gateway/test/other.test.ts': 'it()\n',
  ...domain('identity', "import { command } from '@x/rpc'\nexport const identity = command()"),
  ...domain('shop', "import { command } from '@x/rpc'\nexport const shop = command()\nexport const Placed = 1"),
  ...domain('desk', "import { command } from '@x/rpc'\nexport const desk = command()", {
    'src/domain.ts': "import { shop } from '@x/shop/contract'\nexport const deskDomain = define({ uses: { shop } })\n",
  }),
  ...domain('mail', "import { query } from '@x/rpc'\nexport const mail = query()", {
    'src/handlers.ts': "import { Placed } from '@x/shop/contract'\nexport const handlers = [on(Placed)]\n",
  }),
  ...domain('stock', "import { command } from '@x/rpc'\nexport const stock = command()", {
    'src/domain.ts':
      "import { reserve } from './handlers.ts'\nexport const stockDomain = define({ emits: [Low], handlers: () => [reserve] })\n",
    'src/handlers.ts':
      "import { Placed } from '@x/shop/contract'\nimport { take } from './stock.ts'\nexport const reserve = handler('reserve', [on(Placed, take)])\n",
    'src/stock.ts':
      'export function take() { return lock() }\nexport function low() { return 1 }\nfunction lock() { return 2 }\n',
    'src/sell.ts': "import { low } from './stock.ts'\nexport const sell = () => low()\n",
    'test/stock.test.ts': "import { shopDomain } from '@x/shop'\nimport { open } from './world.ts'\n",
    'test/world.ts': 'export const open = 1\n',
  }),
}

function domain(name: string, contract: string, more: Record<string, string> = {}): Record<string, string> {
  const manifest = {
    name: `@x/${name}`,
    exports: { '.': './src/domain.ts', './contract': './src/contract.ts' },
    dependencies: { '@x/shop': 'workspace:*' },
  }
  const own = {
    'package.json': `${JSON.stringify(manifest)}\n`,
    'README.md': `${name}\n`,
    'src/contract.ts': `${contract}\n`,
    'src/domain.ts': `export const ${name}Domain = define({})\n`,
    ...more,
  }
  return Object.fromEntries(Object.entries(own).map(([path, text]) => [`packages/domains/${name}/${path}`, text]))
}

describe('removing a domain', () => {
  const root = mkdtempSync(join(tmpdir(), 'offshoot-removal-'))
  let changes: Changes
  beforeEach(() => {
    rmSync(root, { recursive: true })
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    changes = new Changes(root)
  })
  afterAll(() => rmSync(root, { recursive: true }))

  it('takes along who calls it and who only reacts to it, and says where they do', () => {
    expect(planRemoval(changes, ['shop'])).toMatchObject({
      domains: ['shop', 'desk', 'mail'],
      dependents: [
        { domain: 'desk', needs: 'shop', file: 'packages/domains/desk/src/domain.ts' },
        { domain: 'mail', needs: 'shop', file: 'packages/domains/mail/src/handlers.ts' },
      ],
      losses: [{ domain: 'stock', from: 'shop', names: ['Placed'] }],
    })
    expect(planRemoval(changes, ['stock', 'mail'])).toMatchObject({ dependents: [], losses: [] })
  })

  it('takes along who has types of it in its contract', () => {
    changes.write('packages/domains/stock/src/contract.ts', "export { ShopId } from './ids.ts'\n")
    changes.write('packages/domains/stock/src/ids.ts', "export { ShopId } from '@x/shop/contract'\n")
    expect(planRemoval(changes, ['shop']).domains).toEqual(['shop', 'desk', 'mail', 'stock'])
  })

  it('leaves nothing that names it, and everything else as it was', () => {
    removeDomains(changes, ['shop', 'desk', 'mail'])
    const texts = Object.fromEntries([...changes.files].filter(([, text]) => text !== null))
    expect(Object.keys(texts).sort()).toEqual([
      'README.md',
      'apps/gateway/package.json',
      'apps/gateway/src/domains.ts',
      'packages/domains/identity/package.json',
      'packages/domains/stock/package.json',
      'packages/domains/stock/src/domain.ts',
      'packages/domains/stock/src/stock.ts',
      'pnpm-lock.yaml',
    ])
    for (const [path, text] of Object.entries(texts))
      expect(text, path).not.toMatch(/@x\/(shop|desk|mail)|domains\/shop/)
    expect(texts['README.md']).toBe('Look at the shop, and at [stock](packages/domains/stock/).\n')
    expect(texts['apps/gateway/src/domains.ts']).toContain('[identityDomain, stockDomain]')
    expect(texts['packages/domains/stock/src/domain.ts']).toBe('export const stockDomain = define({ emits: [Low] })\n')
    expect(texts['packages/domains/stock/src/stock.ts']).toBe('export function low() { return 1 }\n')
    const removed = [...changes.files].flatMap(([path, text]) => (text === null ? path : []))
    expect(removed.filter((path) => !/domains\/(shop|desk|mail)\//.test(path))).toEqual([
      'apps/gateway/test/shop.test.ts',
      'apps/gateway/test/walk/walk.test.ts',
      'apps/gateway/test/walk/words.ts',
      'apps/gateway/test/walk/words.txt',
      'packages/domains/stock/src/handlers.ts',
      'packages/domains/stock/test/stock.test.ts',
      'packages/domains/stock/test/world.ts',
    ])
  })

  it.each([
    ['identity', 'NOT_REMOVABLE'],
    ['nowhere', 'UNKNOWN_DOMAIN'],
    ['../shop', 'UNKNOWN_DOMAIN'],
    ['', 'UNKNOWN_DOMAIN'],
  ])('refuses %j', (name, code) => {
    expect(() => planRemoval(changes, ['stock', name])).toThrow(expect.objectContaining({ code }))
  })

  it('refuses one that runs in an app of its own, and one that would go with it', () => {
    writeFileSync(join(root, 'topology.json'), '{ "apps": { "desk": { "port": 4001, "domains": ["desk"] } } }\n')
    expect(() => planRemoval(changes, ['shop'])).toThrow(expect.objectContaining({ code: 'EXTRACTED' }))
    expect(planRemoval(changes, ['stock']).domains).toEqual(['stock'])
  })

  it('refuses a tree with changes, but for those that it undoes', () => {
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', root, '-c', 'user.name=T', '-c', 'user.email=t@t', ...args])
    expect(() => refuseUncommitted(changes)).toThrow(expect.objectContaining({ code: 'NO_REPOSITORY' }))
    const withStock = files['apps/gateway/src/domains.ts']!
    const before = withStock.replace("import { stockDomain } from '@x/stock'\n", '').replace(', stockDomain', '')
    git('init', '-q')
    writeFileSync(join(root, 'apps/gateway/src/domains.ts'), before)
    writeFileSync(join(root, '.gitignore'), 'packages/domains/stock/\n')
    git('add', '-A')
    rmSync(join(root, '.gitignore'))
    git('rm', '-q', '--cached', '.gitignore')
    git('commit', '-qm', 'without stock')
    writeFileSync(join(root, 'apps/gateway/src/domains.ts'), withStock)
    changes.write('apps/gateway/src/domains.ts', before)
    changes.removeDirectory('packages/domains/stock')
    refuseUncommitted(changes)
    writeFileSync(join(root, 'notes.md'), 'mine\n')
    expect(() => refuseUncommitted(changes)).toThrow(/DIRTY|notes.md/)
  })
})
