/**
 * What follows from changes of the sources: their formatting, and everything that is generated and committed. It is worked out in a copy of the tree, by the programs that
 * `npm run check -- --write` runs, so that all is known before anything is written.
 */
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, sep } from 'node:path'
import { Changes, filesBelow } from '../changes.ts'
import { readPackages } from '../check/workspace.ts'
import { Refusal } from '../refusal.ts'
import { run } from '../run.ts'

/** The checks whose `--write` makes files. */
export const generated = [
  '.env.example',
  'schema.graphql',
  'contract.json',
  'events',
  'modules',
  'telemetry',
  'deployables',
  'permissions',
]

/** Copies of the tree that exist now, for whoever is interrupted. */
const copies = new Set<string>()

export function removeCopies(): void {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true })
}

/** Adds to the changes what follows from them. Refuses changes with which the product would not load. */
export async function complete(changes: Changes): Promise<void> {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'offshoot-copy-')))
  copies.add(copy)
  try {
    copyTree(changes.root, copy)
    const there = new Changes(copy)
    for (const [path, text] of changes.files) text === null ? there.remove(path) : there.write(path, text)
    const touched = [...changes.files].filter(([, text]) => text !== null).map(([path]) => path)
    await there.apply()
    linkPackages(copy)
    await step(copy, 'biome', [
      'check',
      '--write',
      '--diagnostic-level=error',
      '--max-diagnostics=3',
      '--no-errors-on-unmatched',
      ...touched,
    ])
    // Not by Turborepo, which runs pnpm, which would install here, into the tree that this is a copy of.
    for (const path of touched.filter((path) => basename(path) === 'schema.prisma'))
      await step(join(copy, dirname(dirname(path))), 'node', [join(copy, 'packages/platform/data/src/generate.ts')])
    await step(copy, 'node', ['scripts/check.ts', '--write', ...generated])
    for (const path of filesBelow(copy, '.')) {
      const text = readFileSync(join(copy, path))
      const before = join(changes.root, path)
      if (!existsSync(before) || !readFileSync(before).equals(text)) changes.write(path, text.toString())
    }
  } finally {
    copies.delete(copy)
    rmSync(copy, { recursive: true, force: true })
  }
}

async function step(copy: string, command: string, args: string[]): Promise<void> {
  const { code, output } = await run(command, args, { quiet: true, cwd: copy })
  if (code !== 0)
    throw new Refusal(
      'BROKEN',
      `With these changes \`${[command, ...args.slice(0, 3)].join(' ')} …\` fails, so nothing was written.\n${output.trimEnd()}`,
    )
}

/** Sources, database clients and the links between packages; what is installed stays where it is. */
function copyTree(root: string, copy: string): void {
  const left = new Set(['.git', '.data', '.turbo', '.reports', '.env'].map((name) => join(root, name)))
  cpSync(root, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) =>
      !left.has(path) && path !== join(root, 'node_modules') && !['.turbo', '.reports'].includes(basename(path)),
  })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction')
}

/** What installing would link for packages that are new or depend on more, as far as it is installed in `from`. */
export function linkPackages(root: string, from = root): void {
  const packages = readPackages(root)
  const installed = new Map<string, string>()
  for (const link of globSync('{.,apps/*,packages/*/*,benchmarks,scripts}/node_modules/{*,@*/*}', { cwd: from })) {
    if (!existsSync(join(from, link))) continue // to a package of another branch
    const [, name = ''] = link.split(`node_modules${sep}`)
    installed.set(name.replaceAll('\\', '/'), realpathSync(join(from, link)))
  }
  for (const one of packages) {
    for (const name of Object.keys({ ...one.dependencies, ...one.devDependencies })) {
      const link = join(root, one.directory, 'node_modules', name)
      const target = packages.find((other) => other.name === name)?.directory
      const place = target ? join(root, target) : installed.get(name)
      if (!place || existsSync(link)) continue
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(place, link, 'junction')
    }
  }
}
