/**
 * Takes a later version of the template into a product. Both versions, the one that the product began as and the wanted one, are made into the product, each by its own
 * `npm run init`; so the first is what the product began as. Their difference is picked onto the product as a commit is: three-way, by git, which knows what
 * was renamed and deleted on either side, and in a state that it can continue or abort.
 */
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { domainsOf } from '../domains.ts'
import { linkPackages } from '../generators/complete.ts'
import { git, gitAnswer, isRepository, listed, paths, uncommitted } from '../git.ts'
import { Refusal } from '../refusal.ts'
import { formatIn, RECORD, type TemplateRecord } from './initialise.ts'
import { fetchVersions, type Version } from './versions.ts'

export interface Wanted {
  /** The newest version, if not given. */
  to?: string
  /** A URL or a path; where the template was cloned from, if not given. */
  from?: string
  /** Only tells what would happen. */
  dryRun?: boolean
}

export interface Upgrade {
  from: string
  to: string
  /** As `git diff --name-status` has them: a letter, and one path, or two of what was renamed. */
  changed: string[][]
  conflicts: string[]
  /** Migrations that the template has changed, and that stay as they are. */
  migrations: string[]
  /** What is generated and was changed by the product and by the template, and is the product's still; the lockfile among it. */
  outdated: string[]
}

const LOCKFILE = 'pnpm-lock.yaml'

export async function upgrade(root: string, wanted: Wanted): Promise<Upgrade> {
  const record = recordOf(root)
  const temporary = mkdtempSync(join(tmpdir(), 'offshoot-upgrade-'))
  const clean = () => {
    rmSync(temporary, { recursive: true, force: true })
    gitAnswer(root, 'worktree', 'prune')
  }
  process.once('exit', clean) // when it is interrupted
  try {
    const repository = join(temporary, 'template')
    const { old, next } = fetchVersions(repository, record, wanted)
    const [before, after] = [old, next].map(({ version, commit }) => checkOut(root, repository, version, commit)) as [
      string,
      string,
    ]
    const [kept, keptAfter] = domainsKept(root, record, before, after)
    await Promise.all([
      initialiseAs(before, old.version, record.name, kept),
      initialiseAs(after, next.version, record.name, keptAfter),
    ])

    const migrations = keepMigrations(root, before, after)
    const lockfileIsOurs = keepLockfile(root, before, after)
    cpSync(join(root, RECORD), join(before, RECORD))
    writeFileSync(join(after, RECORD), JSON.stringify({ ...record, ...next }, null, 2))
    formatIn(after, RECORD, root)

    const commit = commitOf(root, temporary, before, after, next)
    const picked = wanted.dryRun ? pickElsewhere(root, join(temporary, 'preview'), commit) : pick(root, commit)
    if (lockfileIsOurs) picked.outdated.push(LOCKFILE)
    return { from: old.version, to: next.version, migrations, ...picked }
  } finally {
    process.off('exit', clean)
    clean()
  }
}

function recordOf(root: string): TemplateRecord {
  if (!existsSync(join(root, RECORD)))
    throw new Refusal('NO_RECORD', `There is no ${RECORD}: this was not made by npm run init, or the file was deleted.`)
  if (!isRepository(root))
    throw new Refusal(
      'NO_REPOSITORY',
      'An upgrade is merged by git, and this is no repository: git init && git add -A && git commit.',
    )
  const changed = uncommitted(root)
  if (changed.length > 0)
    throw new Refusal('DIRTY', `There are changes that are not committed: ${listed(changed)}. Commit or stash them.`)
  try {
    return JSON.parse(readFileSync(join(root, RECORD), 'utf8'))
  } catch (error) {
    throw new Refusal('NO_RECORD', `${RECORD} cannot be read: ${(error as Error).message}`)
  }
}

/** A version's files, able to run its `npm run init` with what the product has installed. */
function checkOut(root: string, repository: string, version: string, commit: string): string {
  const tree = join(dirname(repository), version)
  git(repository, ['-c', 'core.autocrlf=false', 'worktree', 'add', '-q', '--detach', tree, commit])
  mkdirSync(join(tree, 'node_modules'))
  symlinkSync(join(root, 'node_modules/.bin'), join(tree, 'node_modules/.bin'), 'junction')
  linkPackages(tree, root)
  return tree
}

/** Domains that are no longer in the product stay out of it, and so do new ones where its domains were chosen. */
function domainsKept(root: string, { domains: chosen }: TemplateRecord, before: string, after: string) {
  const had = domainsOf(before)
  const has = new Set(domainsOf(root))
  const kept = had.filter((domain) => has.has(domain))
  return [kept, domainsOf(after).filter((domain) => (had.includes(domain) ? has.has(domain) : !chosen))] as const
}

async function initialiseAs(tree: string, version: string, name: string, domains: readonly string[]): Promise<void> {
  const choice = domains.length < domainsOf(tree).length ? ['--domains', domains.join()] : []
  try {
    const init = ['scripts/init.ts', '--name', name, ...choice, '--yes', '--sources']
    await promisify(execFile)(process.execPath, init, { cwd: tree })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Refusal(
      'NOT_INITIALISED',
      `Version ${version} of the template cannot be made into ${name}.\n${stdout}${stderr}`,
    )
  }
}

/** A migration that may have been applied is never changed, by whatever the template did to it since. Answers which it did something to. */
function keepMigrations(root: string, before: string, after: string): string[] {
  const all = [root, before].flatMap((tree) =>
    globSync('{packages,apps}/**/prisma/migrations/*/', { cwd: tree, exclude: ['**/node_modules'] }),
  )
  const migrations = [...new Set(all.map((path) => path.replaceAll('\\', '/').replace(/\/$/, '')))].sort()
  return migrations.filter((migration) => {
    const schema = join(after, dirname(migration), '../schema.prisma')
    if (!existsSync(schema) || sameFiles(join(before, migration), join(after, migration))) return false
    rmSync(join(after, migration), { recursive: true, force: true })
    if (existsSync(join(before, migration)))
      cpSync(join(before, migration), join(after, migration), { recursive: true })
    return true
  })
}

function sameFiles(a: string, b: string): boolean {
  if (!existsSync(a) || !existsSync(b)) return existsSync(a) === existsSync(b)
  const files = readdirSync(a)
  const same = (file: string) =>
    existsSync(join(b, file)) && readFileSync(join(a, file)).equals(readFileSync(join(b, file)))
  return readdirSync(b).length === files.length && files.every(same)
}

/** A lockfile is not merged: where both sides changed it, it stays the product's, until what is installed is resolved anew. */
function keepLockfile(root: string, before: string, after: string): boolean {
  const [ours, old, next] = [root, before, after].map((tree) => readFileSync(join(tree, LOCKFILE), 'utf8'))
  if (ours === old || next === old || ours === next) return false
  cpSync(join(before, LOCKFILE), join(after, LOCKFILE))
  return true
}

/** The difference of the two versions as a commit that no branch holds. */
function commitOf(
  root: string,
  temporary: string,
  before: string,
  after: string,
  { version, commit }: Version,
): string {
  const directory = git(root, ['rev-parse', '--absolute-git-dir']).trim()
  const options = [
    '-c',
    'core.autocrlf=false',
    '-c',
    'core.safecrlf=false',
    '-c',
    'core.excludesFile=',
    '-c',
    'core.fsmonitor=false',
  ]
  const treeOf = (tree: string) => {
    const env = { GIT_DIR: directory, GIT_WORK_TREE: tree, GIT_INDEX_FILE: join(temporary, 'index') }
    git(tree, [...options, 'add', '-A', '.'], env)
    return git(tree, ['write-tree'], env).trim()
  }
  const base = git(root, ['commit-tree', treeOf(before), '-m', 'The template, as this product began.']).trim()
  const message = `chore: upgrade the template to ${version}\n\nIts commit ${commit}.`
  return git(root, ['commit-tree', treeOf(after), '-p', base, '-m', message]).trim()
}

function pick(root: string, commit: string): Pick<Upgrade, 'changed' | 'conflicts' | 'outdated'> {
  try {
    git(root, ['cherry-pick', '--no-commit', '-X', 'ignore-cr-at-eol', commit])
  } catch (error) {
    if (unmerged(root).length === 0) {
      throw new Refusal('NOT_MERGED', (error as { stderr: string }).stderr.trim())
    }
  }
  git(root, ['update-ref', 'CHERRY_PICK_HEAD', commit])
  const outdated = generated(root, unmerged(root)).filter((file) => existsSync(join(root, file)))
  for (const file of outdated) git(root, ['checkout', '-q', '--ours', '--', file])
  if (outdated.length > 0) git(root, ['add', '--', ...outdated])
  const changed = git(root, ['diff', '--cached', '-M', '--name-status', '--diff-filter=u', 'HEAD']).trim()
  return {
    changed: changed === '' ? [] : changed.split('\n').map((line) => line.split('\t')),
    conflicts: unmerged(root),
    outdated,
  }
}

function pickElsewhere(root: string, preview: string, commit: string): ReturnType<typeof pick> {
  git(root, ['worktree', 'add', '-q', '--detach', preview, 'HEAD'])
  return pick(preview, commit)
}

const unmerged = (root: string) => paths(git(root, ['diff', '-z', '--name-only', '--diff-filter=U']))

/** Of these, what `.gitattributes` says is generated. */
function generated(root: string, files: readonly string[]): string[] {
  if (files.length === 0) return []
  const answers = paths(git(root, ['check-attr', '-z', 'linguist-generated', '--', ...files]))
  return files.filter((_, index) => ['set', 'true'].includes(answers[index * 3 + 2]!))
}
