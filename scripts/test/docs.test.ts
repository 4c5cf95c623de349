import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkDocs } from '../check/docs.ts'
import { root } from '../database.ts'

const read = (file: string) => readFileSync(join(root, file), 'utf8')
const scripts: Record<string, string> = JSON.parse(read('package.json')).scripts
const commands = Object.keys(scripts).filter((name) => !/^(pre|post)/.test(name))

describe('a page', () => {
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-docs-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  const files = {
    'package.json': '{ "scripts": { "brew": "exec node scripts/brew.ts", "test": "exec node scripts/brew.ts" } }',
    'scripts/brew.ts': "import './options.ts'\nconst strong = args.includes('--strong')\n",
    'scripts/options.ts': "parseArgs({ options: { milk: { type: 'boolean' }, 'no-sugar': { type: 'boolean' } } })\n",
    'docs/coffee.md': '# Coffee\n\n## How it is made\n',
  }
  beforeAll(() => {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, file)), { recursive: true })
      writeFileSync(join(directory, file), text)
    }
  })
  /** What is said of a page with these words in its third line. */
  const said = (words: string) => {
    writeFileSync(join(directory, 'README.md'), `# Kitchen\n\n${words}\n`)
    return checkDocs(directory).map(({ file, line, message }) => `${file}:${line} ${message}`)
  }

  it.each([
    '[made](docs/coffee.md#how-it-is-made), [here](#kitchen), [elsewhere](https://example.com/nowhere)',
    '`npm run brew -- --milk --no-sugar`, `npm run -s brew x --strong`, `npm test`, `npm install`, `npm run …`',
  ])('may say: %s', (words) => {
    expect(said(words)).toEqual([])
  })

  it.each([
    ['[tea](docs/tea.md)', 'leads to docs/tea.md, which is not there'],
    ['[made](docs/coffee.md#how)', 'leads to the heading #how of docs/coffee.md, which has none of that name'],
    ['[here](#cellar)', 'leads to the heading #cellar of README.md, which has none of that name'],
    ['`npm run boil`', 'npm run boil: package.json has no such command'],
    ['`npm run brew -- --soy`', 'npm run brew has no option --soy'],
    ['`npm test -- --soy=much`', 'npm run test has no option --soy'],
  ])('must not say: %s', (words, message) => {
    expect(said(words)).toEqual([`README.md:3 ${message}`])
  })
})

describe('a command', () => {
  const readme = read('README.md')

  it.each(commands)('is in the README: %s', (name) => {
    expect(readme).toMatch(new RegExp(`npm (run )?${name}\\b`))
  })

  // #region with catalog, orders, billing, notifications, insights
  const runners = globSync('{apps,packages,scripts,benchmarks}/**/*.{test,fault,life}.ts', {
    cwd: root,
    exclude: (path) => path.includes('node_modules'),
  })
  const run = ['.ci/run', ...runners].map(read).join('\n')
  /** What no test runs as a whole, and why. */
  const apart: Record<string, string> = {
    bench: 'measures; its programs are typechecked',
    unleash: 'runs until it is stopped; test:unleash starts the same server',
  }

  it.each(commands.filter((name) => !(name in apart)))('is run by a test: %s', (name) => {
    const program = /scripts\/([\w-]+)\.ts/.exec(scripts[name]!)?.[1]
    const runs = [`npm (run )?(-s )?${name}\\b`, ...(program ? [`['"\`/]${program}\\.ts\\b`] : [])]
    expect(run).toMatch(new RegExp(runs.join('|')))
  })
  // #endregion
})
