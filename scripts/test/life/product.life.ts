import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RECORD } from '../../template/initialise.ts'
import { sh } from '../shell.ts'
import { at, commit, identified, makeTemplate, name, next, version } from './versions.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-life-'))
const product = join(directory, 'product')
const ours = at(product)
const inProduct = (command: string) => sh(product, command)
const changed = () => inProduct('git status --porcelain')

/** What every change has to pass: the checks, and the tests of what it may affect. */
async function expectGreen(packages = ''): Promise<void> {
  expect(await inProduct('npm run -s check')).toMatch(/All \d+ checks hold/)
  await expectTested(packages)
}
const expectTested = async (packages = '') => expect(await inProduct(`npm test -- ${packages}`)).toMatch(/, 0 failed/)

beforeAll(async () => {
  await makeTemplate(directory)
  await sh(directory, 'git clone -q template product')
  await inProduct(`git checkout -qB main v${version} && ${identified}`)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** One clone, from its first day to the next version of the template. Each step goes on from where the one before has left it. */
describe('a product', () => {
  it('begins under its own name, green, with nothing of the old one', async () => {
    expect(await inProduct('npm run -s init -- --name north-star --yes')).toContain('North Star is ready')
    const anywhere = name.replaceAll('-', '[-_ ]')
    const left = await inProduct(`git add -A && git grep -ilwE '${anywhere}' || true`)
    expect(left.trim().split('\n').sort()).toEqual([RECORD, 'LICENSE'].filter((file) => left.includes(file)))
    expect(await inProduct(`git ls-files | grep -iE '(^|[^a-z])${anywhere}([^a-z]|$)' || true`)).toBe('')
    expect(await inProduct('git diff --cached --name-only -- LICENSE .github/workflows .ci')).toBe('')
    expect(await inProduct('git diff --cached --summary')).not.toContain('mode change')
    await inProduct(commit('begin'))
    await expectGreen()
    expect(await changed()).toBe('')
    await inProduct('git remote remove origin') // and pushes to one of its own, in which its main branch is the base
  })

  it('grows by a domain, an entity and an event, green without an edit', async () => {
    await inProduct('git checkout -qb warehouse')
    const made = await inProduct('npm run -s gen domain warehouse -- --entity asset-tag --yes')
    expect(made).toMatch(/^Generated the domain warehouse with the entity asset-tag: \d+ files/m)
    expect(made.trim().split('\n').at(-1)).toMatch(/^Next: npm run dev/)
    await inProduct('npm run -s gen entity warehouse shelf -- --yes')
    await inProduct('npm run -s gen event warehouse ShelfMoved -- --on update-shelf --yes')
    await expectGreen('warehouse gateway')
    expect(await inProduct('npm run -s db:migration warehouse nothing')).toContain('nothing was written')
    const again = inProduct('npm run -s gen entity warehouse shelf -- --yes')
    await expect(again).rejects.toThrow(/EXISTS: warehouse has a table for shelf already/)
    await inProduct(commit('warehouse'))
  })

  it('splits domains off, green at each step, and takes them back as they were', async () => {
    const domains = [
      'warehouse',
      // #region with orders
      'orders',
      // #endregion
      // #region with billing
      'billing',
      // #endregion
    ]
    for (const domain of domains) {
      expect(await inProduct(`npm run -s extract ${domain}`)).toContain(`${domain} is a service`)
      await expectTested(domain)
    }
    await expectGreen('gateway')
    const removed = inProduct('npm run -s remove domain warehouse -- --yes --force')
    await expect(removed).rejects.toThrow(/EXTRACTED: .*fold/)
    for (const domain of domains.reverse()) await inProduct(`npm run -s fold ${domain}`)
    expect(await changed()).toBe('')
    expect(await inProduct('git diff')).toBe('')
  })

  it('loses what was generated without a trace', async () => {
    expect(await inProduct('npm run -s remove domain warehouse -- --yes')).toContain('warehouse is removed')
    expect(await inProduct('git add -A && git diff --cached main')).toBe('')
    await inProduct('git checkout -qf main')
  })

  // #region with catalog, orders, billing, notifications, insights
  it('loses the demo, sound with parts of it and green without', async () => {
    await inProduct('git checkout -qb without-the-demo')
    const remove = async (domains: string, rest: string) => {
      await inProduct(`npm run -s remove domain ${domains} -- --yes`)
      expect(await inProduct('ls packages/domains')).toBe(rest)
    }
    await remove('billing', 'catalog\nidentity\ninsights\nnotifications\norders\n')
    expect(await inProduct('npm run -s check types lint imports unused')).toMatch(/All 4 checks hold/)
    await inProduct(commit('without billing'))
    await remove('orders notifications', 'catalog\nidentity\n')
    await expectGreen('catalog')
    await inProduct(commit('without orders'))
    await remove('catalog', 'identity\n')
    await expectGreen()
    await inProduct(`${commit('without the demo')} && git checkout -qB main`)
  })
  // #endregion

  it('takes the next version of the template, and has what is generated made anew', async () => {
    const before = await inProduct('git rev-parse HEAD')
    ours.replace('apps/gateway/schema.graphql', /^type Query/m, '"""Asked by us."""\ntype Query')
    await inProduct(commit('what the code does not say'))
    expect(await inProduct('npm run -s upgrade -- --from ../template')).toContain('Making anew what is generated')
    expect(ours.read('apps/gateway/schema.graphql')).not.toContain('Asked by')
    expect(ours.read('packages/platform/config/README.md')).toContain('More about North Star.')
    await inProduct(`git cherry-pick --abort && git reset -q --hard ${before}`)
  })

  it('resolves what both have changed, and is green', async () => {
    ours.replace('README.md', /^# .*$/m, '# The star of the north')
    await inProduct(commit('a title of our own'))
    const domains = await inProduct('ls packages/domains')
    await expect(inProduct('npm run -s upgrade -- --from ../template')).rejects.toThrow(
      /conflicts \(1\)\n {2}README\.md\n/,
    )
    expect(ours.read('README.md')).toContain('<<<<<<<')
    ours.replace('README.md', /<<<<<<< HEAD\n([\s\S]*?)=======\n[\s\S]*?>>>>>>> .*\n/, '$1')
    expect(await inProduct('npm run -s check -- --write')).toMatch(/All \d+ checks hold/)
    await expectTested('config identity')
    await inProduct('git add -A && git cherry-pick --continue --no-edit')
    expect(await changed()).toBe('')
    expect(ours.read('README.md')).toMatch(/^# The star of the north$/m)
    expect(ours.read('docs/guides/later.md')).toBe('# What North Star has since\n')
    expect(await inProduct('ls packages/domains')).toBe(domains)
    expect(await inProduct('git log -1 --format=%s')).toBe(`chore: upgrade the template to ${next}\n`)
    await expect(inProduct('npm run -s upgrade -- --from ../template')).rejects.toThrow('ALREADY_THERE: ')
  })
})
