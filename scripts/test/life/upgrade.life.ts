import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { undoUnfinished } from '../../changes.ts'
import { root } from '../../database.ts'
import { linkPackages } from '../../generators/complete.ts'
import { manifestOf, RECORD } from '../../template/initialise.ts'
import { sh } from '../shell.ts'
import { added, at, commit, first, identified, identity, makeTemplate, name, next, version } from './versions.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-upgrade-'))
const product = join(directory, 'product')
const ours = at(product)
const inProduct = (command: string) => sh(product, command)
const init = (options: string) => inProduct(`node scripts/init.ts ${options}`)
const upgrade = (options = '') => inProduct(`node scripts/upgrade.ts --from ../template ${options}`)

beforeAll(() => makeTemplate(directory))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A clone of the first version. What it needs is linked, instead of installed for half a minute. */
async function clone(options = ''): Promise<void> {
  rmSync(product, { recursive: true, force: true })
  await sh(directory, `git clone -q ${options} template product`)
  await inProduct(`git reset -q --hard v${version} && ${identified}`)
  mkdirSync(join(product, 'node_modules'))
  symlinkSync(join(root, 'node_modules/.bin'), join(product, 'node_modules/.bin'))
  linkPackages(product, root)
}

/** A clone that was initialised and committed, and whose packages have their new names. */
async function begin(): Promise<void> {
  const begun = join(directory, 'begun')
  if (!existsSync(begun)) {
    await clone()
    await init('--name north-star --yes')
    await inProduct(commit('begin'))
    linkPackages(product, root)
    await sh(directory, 'cp -a product begun')
  }
  rmSync(product, { recursive: true, force: true })
  await sh(directory, 'cp -a begun product')
}

describe('a clone of the template', () => {
  beforeEach(() => clone())

  it('becomes the same whatever ends of lines git checks out, and without a history', async () => {
    await init('--name north-star --yes')
    const tree = async () => (await inProduct(`git add -A && git rm -q --cached ${RECORD} && git write-tree`)).trim()
    const expected = await tree()
    await clone('-c core.autocrlf=true')
    await init('--name north-star --yes')
    expect(await tree()).toBe(expected)

    await clone()
    rmSync(join(product, '.git'), { recursive: true })
    expect(await init('--name north-star --yes')).toContain('git init')
    expect(JSON.parse(ours.read(RECORD))).toMatchObject({ template: name, name: 'north-star' })
    await inProduct('git init -q')
    expect(await tree()).toBe(expected)
  })

  it.each([
    ['NO_NAME', '--yes', ''],
    ['INVALID_NAME', '--name ../north', ''],
    ['RESERVED_NAME', `--name ${name}`, ''],
    ['UNKNOWN_DOMAIN', '--name north --domains identity,warehouse', ''],
    // #region with catalog
    ['NOT_REMOVABLE', '--name north --domains catalog', ''],
    // #endregion
    ['DIRTY', '--name north', 'echo more >> README.md'],
    ['ALREADY_INITIALISED', '--name north', `echo {} > ${RECORD} && ${commit('x')}`],
    ['USAGE', 'north', ''],
  ])('is refused with %s, and nothing is written: %s', async (code, options, before) => {
    if (before) await inProduct(before)
    const status = await inProduct('git status --porcelain')
    await expect(init(options)).rejects.toThrow(`${code}: `)
    expect(await inProduct('git status --porcelain')).toBe(status)
  })

  it('is refused outside of its root', async () => {
    await expect(sh(directory, 'node product/scripts/init.ts --name north')).rejects.toThrow('OUTSIDE_ROOT: ')
  })

  it('is as it was, or a product, when initialising is killed at any moment', async () => {
    const asItWas = (await inProduct('git write-tree')).trim()
    await init('--name north-star --yes')
    const asItBecomes = (await inProduct('git add -A && git write-tree')).trim()
    const options = { cwd: product, killSignal: 'SIGKILL' } as const
    for (let timeout = 200, done = false; !done; timeout = Math.round(timeout * 1.3)) {
      await inProduct('git reset -q --hard && git clean -fdq')
      const begun = promisify(execFile)('node', ['scripts/init.ts', '--name', 'north-star', '--yes'], {
        ...options,
        timeout,
      })
      done = await begun.then(
        ({ stdout }) => stdout.includes('is ready'),
        () => false,
      )
      undoUnfinished(product) // as the first step of the next command does
      const tree = (await inProduct('git add -A && git write-tree')).trim()
      expect(done ? [asItBecomes] : [asItWas, asItBecomes]).toContain(tree)
    }
  })
})

describe('a product', () => {
  beforeEach(() => begin())

  it('takes the next version: what it changed, added and deleted stays, and where both changed the same lines it is asked', async () => {
    ours.replace('README.md', /^# .*$/m, '# The star of the north')
    ours.append('README.md', '\nOur own end.\n')
    ours.append('pnpm-lock.yaml', '\n# Ours.\n')
    ours.append('docs/runbooks/README.md', '\nOur own.\n')
    ours.append('docs/guides/here.md', '\nAnd how we do it.\n')
    ours.append('docs/guides/disputed.md', '\nWe changed what they deleted.\n')
    ours.write('docs/ours.md', '# Ours\n')
    await inProduct(`git rm -q CONTRIBUTING.md ${identity}/src/audit.ts && ${commit('ours')}`)

    const before = await inProduct('git rev-parse HEAD')
    const preview = await upgrade('--dry-run')
    expect(preview).toMatch(/added \(2\)\n {2}docs\/guides\/later.md\n/)
    expect(preview).toMatch(/removed \(2\)\n {2}docs\/former.md\n {2}docs\/outdated.md\n/)
    expect(preview).toContain('docs/guides/here.md → docs/guides/there.md')
    expect(preview).toMatch(/conflicts \(3\)/)
    expect(await inProduct('git status --porcelain && git worktree list | wc -l')).toBe('1\n')

    await expect(upgrade()).rejects.toThrow(/conflicts \(3\)/)
    const status = await inProduct('git status')
    expect(status).toContain('currently cherry-picking')
    expect((await inProduct('git diff --name-only --diff-filter=U')).trim().split('\n')).toEqual([
      'README.md',
      'docs/guides/disputed.md',
      `${identity}/src/audit.ts`,
    ])
    expect(ours.read('README.md')).toMatch(
      /^<<<<<<< HEAD\n# The star of the north\n=======\n# North Star, the second\n>>>>>>> .*\n/m,
    )
    expect(ours.read('README.md')).toContain('Our own end.')
    expect(ours.read('packages/platform/config/README.md')).toContain('More about North Star.')
    expect(ours.read('docs/guides/there.md')).toContain('And how we do it.')
    expect(ours.read('docs/guides/later.md')).toBe('# What North Star has since\n')
    expect([ours.has('docs/former.md'), ours.has('CONTRIBUTING.md'), ours.has('docs/ours.md')]).toEqual([
      false,
      false,
      true,
    ])
    expect(ours.read('pnpm-lock.yaml')).toMatch(/# Ours\.\n$/)
    expect(ours.read('CHANGELOG.md')).not.toContain(next)
    expect(manifestOf(product).version).toBe('0.1.0')
    expect(JSON.parse(ours.read(RECORD))).toMatchObject({
      version: next,
      commit: (await sh(directory, `git -C template rev-parse v${next}`)).trim(),
    })

    await inProduct('git cherry-pick --abort')
    expect(await inProduct('git rev-parse HEAD && git status --porcelain')).toBe(before)

    await expect(upgrade()).rejects.toThrow()
    ours.replace('README.md', /<<<<<<< HEAD\n([\s\S]*?)=======\n[\s\S]*?>>>>>>> .*\n/, '$1')
    await inProduct(
      `git rm -q ${identity}/src/audit.ts && git add -A && git cherry-pick --continue --no-edit || git commit --no-edit`,
    )
    expect(await inProduct('git log -1 --format=%s%n%P')).toBe(`chore: upgrade the template to ${next}\n${before}`)
    await expect(upgrade()).rejects.toThrow('ALREADY_THERE: ')
  })

  it('keeps migrations as they are, gets new ones, and is told what was changed', async () => {
    const before = ours.read(first)
    expect(await upgrade()).toContain(`${dirname(first)} was changed in the template`)
    expect(ours.read(first)).toBe(before)
    expect(ours.has(added)).toBe(true)
  })

  // #region with catalog
  it('does not get back a domain that it took out, before or since', async () => {
    const catalog = 'packages/domains/catalog'
    await inProduct(`git rm -rq ${catalog} && ${commit('no catalog')}`)
    const said = await upgrade('--dry-run')
    expect(said).toContain('docs/guides/later.md')
    expect(said).not.toContain(catalog)
  })
  // #endregion

  it('is merged whatever ends of lines it has committed', async () => {
    await inProduct(`git rm -q .gitattributes && ${commit('no attributes')}`)
    ours.write('README.md', `${ours.read('README.md').replaceAll('\n', '\r\n')}Ours.\r\n`)
    await inProduct(commit('CRLF'))
    await upgrade().catch(() => undefined)
    expect(await inProduct('git diff --name-only --diff-filter=U')).not.toContain('README.md')
    expect(ours.read('README.md')).toContain('North Star, the second')
  })

  it.each([
    ['NO_RECORD', '', `git rm -q ${RECORD} && ${commit('x')}`],
    ['NO_RECORD', '', `echo '{' > ${RECORD} && ${commit('x')}`],
    ['DIRTY', '', 'echo more > more.md'],
    ['NO_REPOSITORY', '', 'rm -rf .git'],
    ['UNKNOWN_VERSION', '--to 7.7.7', ''],
    ['ALREADY_THERE', `--to ${version}`, ''],
    ['USAGE', '--too 1', ''],
  ])('is refused with %s, and stays as it is: %s', async (code, options, before) => {
    if (before) await inProduct(before)
    await expect(upgrade(options)).rejects.toThrow(`${code}: `)
    if (existsSync(join(product, '.git'))) expect(await inProduct('git status')).not.toContain('cherry-picking')
  })
})
