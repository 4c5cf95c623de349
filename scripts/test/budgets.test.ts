import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { budgetProblems, costOf } from '../check/budgets.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-budgets-'))
afterAll(() => rmSync(directory, { recursive: true }))

function write(path: string, text: string) {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  writeFileSync(join(directory, path), text)
}
const store = 'node_modules/.pnpm'
/** As pnpm installs it: what it depends on is linked beside it. */
function publish(name: string, bytes: number, manifest: object, links: string[] = []) {
  const folder = `${store}/${name}@1.0.0/node_modules`
  write(`${folder}/${name}/package.json`, JSON.stringify({ name, type: 'module', main: 'index.js', ...manifest }))
  write(`${folder}/${name}/index.js`, '')
  write(`${folder}/${name}/data`, 'x'.repeat(bytes))
  for (const other of links) link(folder, other)
}
function link(folder: string, name: string, to = `${store}/${name}@1.0.0/node_modules/${name}`) {
  mkdirSync(join(directory, folder), { recursive: true })
  symlinkSync(join(directory, to), join(directory, folder, name), 'junction')
}

// An app that depends on a package of the workspace, which depends on a published one, and so on.
write(
  'apps/shop/package.json',
  '{ "type": "module", "dependencies": { "till": "workspace:*" }, "devDependencies": { "jig": "1" } }',
)
write('apps/shop/src/main.ts', "import type { Jig } from 'jig'\nimport { open } from './open.ts'\nimport 'till'\n")
write('apps/shop/src/open.ts', "export const open = () => import('scale')\n")
write(
  'packages/till/package.json',
  '{ "name": "till", "type": "module", "main": "till.ts", "dependencies": { "scale": "1" } }',
)
write('packages/till/till.ts', "import 'scale'\n")
publish(
  'scale',
  3_000_000,
  {
    dependencies: { spring: '1' },
    peerDependencies: { oil: '1', jig: '1' },
    peerDependenciesMeta: { jig: { optional: true } },
  },
  ['spring', 'oil', 'jig'],
)
publish('spring', 1_000_000, {})
publish('oil', 2_000_000, {})
publish('jig', 50_000_000, {})
link('apps/shop/node_modules', 'till', 'packages/till')
link('apps/shop/node_modules', 'jig')
link('packages/till/node_modules', 'scale')

const cost = await costOf(directory, 'shop')

it('an app costs what runs, not what it is developed with', () => {
  expect(cost).toMatchObject({ packages: 3, modules: 4, largest: ['scale (3 MB)', 'oil (2 MB)', 'spring (1 MB)'] })
  expect(cost.megabytes).toBeCloseTo(6, 2)
  expect(budgetProblems('shop', cost, { packages: 3, modules: 4, megabytes: 7 })).toEqual([])
})

it('that is beyond the budget is found, with what to look at', () => {
  const said = budgetProblems('shop', cost, { packages: 2, modules: 3, megabytes: 5 })
  expect(said.map(({ file, message }) => `${file}: ${message}`)).toEqual([
    expect.stringMatching(
      /^apps\/shop\/package.json: 3 packages in the image of shop, 2 at most: do without a dependency.*scale \(3 MB\), oil/,
    ),
    expect.stringMatching(
      /: 7 MB in the image of shop, 5 at most: do without a dependency, or make it one of development/,
    ),
    expect.stringMatching(
      /: 4 modules loaded by shop before it listens, 3 at most: load what is not needed.*await import/,
    ),
  ])
})

it('an app that cannot be loaded is not within its budget', async () => {
  write('apps/broken/package.json', '{ "type": "module" }')
  write('apps/broken/src/main.ts', "import 'jig'\n")
  await expect(costOf(directory, 'broken')).rejects.toThrow(/main.ts cannot be loaded:.*jig/s)
})
