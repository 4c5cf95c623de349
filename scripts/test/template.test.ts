import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseSync } from 'oxc-parser'
import { afterAll, describe, expect, it } from 'vitest'
import { Changes } from '../changes.ts'
import { root } from '../database.ts'
import { git, paths } from '../git.ts'
import { initialise, manifestOf, newRecord, RECORD } from '../template/initialise.ts'
import { assertName } from '../template/names.ts'
import { renaming, sortDependencies } from '../template/rename.ts'
import { fetchVersions } from '../template/versions.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-template-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('renaming', () => {
  const rename = renaming('sprout', 'acme-cloud')

  it.each([
    ['Sprout, a template', 'Acme Cloud, a template'],
    ["appName: 'Sprout'", "appName: 'Acme Cloud'"],
    ['Sprout-Tenant', 'Acme-Cloud-Tenant'],
    ['process.env.SPROUT_WARM', 'process.env.ACME_CLOUD_WARM'],
    ["from '@sprout/data/testing'", "from '@acme-cloud/data/testing'"],
    ['sprout_session=', 'acme_cloud_session='],
    ['{{ $labels.sprout_handler }}', '{{ $labels.acme_cloud_handler }}'],
    ["'sprout.lane.count'", "'acme_cloud.lane.count'"],
    ['/^sprout\\.lane/', '/^acme_cloud\\.lane/'],
    ["startsWith('sprout.')", "startsWith('acme_cloud.')"],
    ['both@sprout.test', 'both@acme-cloud.test'],
    ['https://sprout.example', 'https://acme-cloud.example'],
    ['dashboards/sprout.yaml', 'dashboards/acme-cloud.yaml'],
    ['up{job="sprout"}', 'up{job="acme-cloud"}'],
    ['`sprout-demo-1`, x-sprout-client', '`acme-cloud-demo-1`, x-acme-cloud-client'],
    ['It is called sprout. Or not.', 'It is called acme-cloud. Or not.'],
    ['sprouts sprouting beansprout Sprouted SPROUTS', 'sprouts sprouting beansprout Sprouted SPROUTS'],
  ])('makes of %j %j', (before, after) => {
    expect(rename(before)).toBe(after)
    expect(rename(after)).toBe(after)
  })

  it('makes a product of a product', () => {
    const again = renaming('acme-cloud', 'north')
    expect(again('Acme Cloud, Acme-Cloud-Id, ACME_CLOUD_X, acme_cloud.lane, acme_cloud_x, @acme-cloud/data')).toBe(
      'North, North-Id, NORTH_X, north.lane, north_x, @north/data',
    )
  })

  it('leaves nothing of the old name in this tree, and sources that can be parsed', () => {
    const { name } = manifestOf(root)
    const forms = [name, name.replaceAll('-', '_'), name.replaceAll('-', ' ')].join('|')
    const left = new RegExp(`(?<![a-z0-9])(${forms})(?![a-z0-9])`, 'i')
    const renameTree = renaming(name, 'zebra-9')
    for (const path of paths(git(root, ['ls-files', '-z'])).filter((path) => existsSync(join(root, path)))) {
      if (['LICENSE', RECORD].includes(path)) continue
      const text = renameTree(readFileSync(join(root, path), 'utf8'))
      if (text.includes('\0')) continue
      expect(`${renameTree(path)}\n${text}`, path).not.toMatch(left)
      if (/\.(ts|mjs|js)$/.test(path)) expect(parseSync(path, text).errors, path).toEqual([])
    }
  })

  it('keeps dependencies in the order of their names', () => {
    const manifest = sortDependencies(
      'apps/a/package.json',
      '{\n  "dependencies": {\n    "@b/x": "1",\n    "@a/y": "workspace:*"\n  },\n  "devDependencies": {\n    "z": "1"\n  }\n}\n',
    )
    expect(manifest).toBe(
      '{\n  "dependencies": {\n    "@a/y": "workspace:*",\n    "@b/x": "1"\n  },\n  "devDependencies": {\n    "z": "1"\n  }\n}\n',
    )
    const entry = (name: string) => `      ${name}:\n        specifier: 'catalog:'\n        version: 1.0.0\n`
    const importer = (...entries: string[]) => `importers:\n\n  .:\n    dependencies:\n${entries.join('')}\npackages:\n`
    expect(sortDependencies('pnpm-lock.yaml', importer(entry("'@b/x'"), entry('pg-boss'), entry('pg')))).toBe(
      importer(entry("'@b/x'"), entry('pg'), entry('pg-boss')),
    )
    for (const path of ['pnpm-lock.yaml', 'scripts/package.json']) {
      const text = readFileSync(join(root, path), 'utf8')
      expect(sortDependencies(path, text)).toBe(text)
    }
  })
})

describe('the name of a product', () => {
  const reason = (name: string) => {
    try {
      assertName(name, 'sprout', new Set(['types', 'prisma']))
      return undefined
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it.each(['acme-cloud', 'north', 'a1', 'crm-2-go', 'x'.repeat(24)])('may be %s', (name) => {
    expect(reason(name)).toBeUndefined()
  })

  it.each([
    '',
    ' ',
    'acme cloud',
    'Acme',
    'acme_cloud',
    'acme--cloud',
    '-acme',
    'acme-',
    '1st',
    '.acme',
    '../acme',
    'a/b',
    '@acme/x',
    'acmé',
    "a'; DROP TABLE orders; --",
    'acme\n',
    'x'.repeat(25),
    'x'.repeat(200),
  ])('may not be %j', (name) => {
    expect(reason(name)).toBe('INVALID_NAME')
  })

  it.each(['sprout', 'sprout-2', 'my-sprout', 'acme', 'globex', 'fs', 'types', 'prisma'])('is reserved: %s', (name) => {
    expect(reason(name)).toBe('RESERVED_NAME')
  })
})

/** A tree with these files, and the formatter of this one. */
function tree(name: string, files: Record<string, string | Buffer>): string {
  const place = join(directory, name)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    writeFileSync(join(place, path), content)
  }
  mkdirSync(join(place, 'node_modules'), { recursive: true })
  symlinkSync(join(root, 'node_modules/.bin'), join(place, 'node_modules/.bin'))
  return place
}

const image = Buffer.from([0x89, 0x50, 0, ...Buffer.from('sprout')])
const files = {
  'package.json': JSON.stringify({ name: 'sprout', version: '3.4.5', repository: 'https://git.example/sprout.git' }),
  'biome.json': readFileSync(join(root, 'biome.json'), 'utf8'),
  'CHANGELOG.md': '# Changelog\n\nOf Sprout.\n\n## Unreleased\n\n- New.\n\n## 3.4.5\n\n- Old.\n',
  LICENSE: 'Copyright (c) The Sprout authors\n',
  '.gitignore': 'node_modules/\n.env\n',
  '.env': 'SPROUT_SECRET=mine\n',
  'docs/sprout.md': '# Sprout\r\n\r\nsprout_session\r\n',
  'docs/page.md': '# Sprout\r\n',
  'image.png': image,
  'src/main.ts': `import { b } from '@sprout/b'\nimport { a } from '@prisma/client'\n\nexport const list = [a, b, 'sprout-of-a-certain-length', 'sprout-of-a-certain-length', 'a', 'sprout']\n`,
}
const record = (place: string) => newRecord(place, { name: 'a-much-longer-name' })

describe('a product that is made of the template', () => {
  async function made(place: string) {
    const changes = new Changes(place)
    initialise(changes, record(place))
    await changes.apply()
    return (path: string) => readFileSync(join(place, path), 'utf8')
  }

  it('has the name everywhere, is formatted, begins with a version of its own, and remembers what it is from', async () => {
    const read = await made(tree('archive', files))
    expect(read('src/main.ts')).toBe(`import { b } from '@a-much-longer-name/b'
import { a } from '@prisma/client'

export const list = [
  a,
  b,
  'a-much-longer-name-of-a-certain-length',
  'a-much-longer-name-of-a-certain-length',
  'a',
  'a-much-longer-name',
]
`)
    expect(JSON.parse(read('package.json'))).toEqual({
      name: 'a-much-longer-name',
      version: '0.1.0',
      description: 'A Much Longer Name.',
    })
    expect(read('CHANGELOG.md')).toBe('# Changelog\n\nOf A Much Longer Name.\n\n## Unreleased\n')
    expect(JSON.parse(read(RECORD))).toEqual({
      template: 'sprout',
      version: '3.4.5',
      source: 'https://git.example/sprout.git',
      name: 'a-much-longer-name',
    })
  })

  it('keeps the licence, images, the ends of lines, and what git ignores', async () => {
    const place = tree('kept', files)
    const read = await made(place)
    expect(read('LICENSE')).toBe(files.LICENSE)
    expect(readFileSync(join(place, 'image.png')).equals(image)).toBe(true)
    expect(read('.env')).toBe(files['.env'])
    expect(read('docs/page.md')).toBe('# A Much Longer Name\r\n')
    expect(existsSync(join(place, 'docs/sprout.md'))).toBe(false)
    expect(read('docs/a-much-longer-name.md')).toContain('a_much_longer_name_session')
  })

  it('remembers the commit, and where it was cloned from without a password', () => {
    const { 'package.json': _, ...rest } = files
    const place = tree('cloned', { ...rest, 'package.json': JSON.stringify({ name: 'sprout', version: '3.4.5' }) })
    git(place, ['init', '-q'])
    expect(record(place)).toMatchObject({ commit: undefined, source: undefined })
    git(place, ['remote', 'add', 'origin', 'https://user:secret@git.example/sprout.git'])
    git(place, ['add', '-A'])
    git(place, ['-c', 'user.name=a', '-c', 'user.email=a@b.test', 'commit', '-qm', 'begin'])
    expect(record(place)).toMatchObject({
      commit: git(place, ['rev-parse', 'HEAD']).trim(),
      source: 'https://git.example/sprout.git',
    })
    git(place, ['remote', 'set-url', 'origin', '/home/me/sprout'])
    expect(record(place).source).toBeUndefined()
  })
})

describe('the versions of a template', () => {
  const source = join(directory, 'versions')
  const product = { template: 'sprout', version: '1.9.0', name: 'acme-cloud', source }
  const commits = new Map<string, string>()
  execFileSync('git', ['init', '-q', source])
  for (const version of ['1.9.0', '1.10.0', '2.0.0']) {
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@b.test']
    git(source, [...who, 'commit', '-q', '--allow-empty', '-m', version])
    git(source, [...who, 'tag', '-m', version, `v${version}`])
    commits.set(version, git(source, ['rev-parse', 'HEAD']).trim())
  }
  git(source, ['tag', 'v3.0.0-rc.1'])
  let fetches = 0
  const fetch = (
    wanted: Parameters<typeof fetchVersions>[2],
    from: Partial<typeof product & { commit: string }> = {},
  ) => fetchVersions(join(directory, `fetched-${++fetches}`), { ...product, ...from }, wanted)

  it('are its tags, in the order of their numbers; the newest is taken', () => {
    expect(fetch({})).toEqual({
      old: { version: '1.9.0', commit: commits.get('1.9.0') },
      next: { version: '2.0.0', commit: commits.get('2.0.0') },
    })
    expect(fetch({ to: 'v1.10.0' }).next).toEqual({ version: '1.10.0', commit: commits.get('1.10.0') })
  })

  it('are compared with the commit that the product began with, if the source has it', () => {
    const commit = commits.get('1.10.0')!
    expect(fetch({}, { commit }).old).toEqual({ version: '1.9.0', commit })
    expect(fetch({}, { commit: '0'.repeat(40) }).old.commit).toBe(commits.get('1.9.0'))
  })

  it.each([
    ['UNKNOWN_VERSION', { to: '7.0.0' }, {}],
    ['UNKNOWN_VERSION', { to: 'main; rm -rf /' }, {}],
    ['UNKNOWN_VERSION', {}, { version: '0.0.1' }],
    ['OLDER_VERSION', { to: '1.9.0' }, { version: '1.10.0' }],
    ['ALREADY_THERE', {}, { version: '2.0.0' }],
    ['UNREACHABLE', { from: join(directory, 'nowhere') }, {}],
    ['UNREACHABLE', { from: '--upload-pack=touch /tmp/x' }, {}],
    ['NO_SOURCE', {}, { source: undefined }],
  ])('are refused as %s: %j %j', (code, wanted, from) => {
    expect(() => fetch(wanted, from)).toThrow(expect.objectContaining({ code }))
  })
})
