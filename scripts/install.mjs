/**
 * Makes a clone ready: the pinned pnpm, the workspace's packages, the pinned Node, the generated Prisma clients. When nothing
 * changed since the last time it does nothing, which it finds out by hashing what decides the result; interrupted, it starts
 * over, since the mark of success is written last. Plain JavaScript: it runs on the machine's own Node.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = join(root, 'node_modules', '.bin')
const stamp = join(root, 'node_modules', '.offshoot-setup')
const lock = `${stamp}.lock`
const windows = process.platform === 'win32'
const executable = (name) => join(bin, windows ? `${name}.cmd` : name)

class InstallError extends Error {
  name = 'InstallError'
}

/** Installs and generates what is not there as it should be. */
export async function install() {
  if (!isUnfinished() && isDone()) return
  await takeLock()
  try {
    if (isUnfinished()) undoUnfinished()
    if (isDone()) return
    const started = Date.now()
    rmSync(stamp, { force: true })
    console.log('Installing what this clone needs; the first time takes a minute.')
    await installPackages()
    await ensureNode()
    await run('database clients', [executable('turbo')], ['run', 'generate', '--output-logs=errors-only'])
    writeFileSync(stamp, fingerprint())
    console.log(`Installed in ${((Date.now() - started) / 1000).toFixed(1)} s.`)
  } finally {
    rmSync(lock, { force: true })
  }
}

/** Whether a command was killed while it changed many files. What it left may not be installable. */
function isUnfinished() {
  try {
    return !isRunning(JSON.parse(readFileSync(join(root, 'node_modules', '.unfinished-changes.json'), 'utf8')).process)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return false // There is none, or another process has just taken it back.
  }
}

/** Node as it is pinned was there when those changes began. */
function undoUnfinished() {
  const undo = `import { undoUnfinished } from './scripts/changes.ts'\nundoUnfinished(process.cwd())`
  const { status } = spawnSync(executable('node'), ['--input-type=module'], { cwd: root, input: undo, shell: windows })
  if (status !== 0)
    throw new InstallError('A command was killed while it changed files: git restore . && git clean -fd')
  console.log('Took back what a command had begun that was killed.')
}

/** The stamp tells what was installed; that it is still there is seen from what would be missed first. */
function isDone() {
  try {
    return (
      readFileSync(stamp, 'utf8') === fingerprint() &&
      existsSync(executable('node')) &&
      prismaSchemas().every((schema) =>
        existsSync(join(root, dirname(schema), '..', 'src', 'generated', 'prisma', 'client.ts')),
      )
    )
  } catch {
    return false
  }
}

/** A hash of everything that decides what is installed and generated. */
function fingerprint() {
  const manifests = ['.', ...packages()].map((directory) => join(directory, 'package.json'))
  const fixed = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'packages/platform/data/src/generate.ts']
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  for (const file of [...fixed, ...manifests, ...prismaSchemas()])
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

/** The folders of the workspace's packages. */
function packages() {
  const [, globs] = /^packages:\n((?: *- .*\n)+)/m.exec(readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8'))
  return Array.from(globs.matchAll(/- (\S+)/g), ([, glob]) => glob)
    .flatMap((glob) => {
      if (!glob.endsWith('/*')) return [glob]
      const parent = glob.slice(0, -2)
      return existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => `${parent}/${name}`) : []
    })
    .filter((directory) => existsSync(join(root, directory, 'package.json')))
    .sort()
}

function prismaSchemas() {
  return packages()
    .map((directory) => `${directory}/prisma/schema.prisma`)
    .filter((file) => existsSync(join(root, file)))
}

/** The version of Node that the workspace pins. */
function pinnedNode() {
  return /^ +node: (\d\S+)$/m.exec(readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8'))[1]
}

async function installPackages() {
  // CI installs what the lockfile says or fails; a developer who changed a package.json gets the lockfile updated.
  const frozen = process.env.CI ? ['--frozen-lockfile'] : []
  const unattended = [
    '--prefer-offline',
    '--reporter=append-only',
    '--config.confirm-modules-purge=false',
    `--config.node-version=${pinnedNode()}`,
  ]
  await run('packages', pnpm(), ['install', '--prod=false', ...frozen, ...unattended])
}

/** The package `node` brings its binary by an install script, which an interruption may have cut short. */
async function ensureNode() {
  const wanted = `v${pinnedNode()}`
  const isThere = () => {
    const { stdout } = spawnSync(executable('node'), ['--version'], { encoding: 'utf8', shell: windows })
    return (stdout || '').trim() === wanted
  }
  if (isThere()) return
  await run(`Node ${wanted}`, pnpm(), ['rebuild', 'node', '--reporter=append-only'])
  if (!isThere()) throw new InstallError(`Node ${wanted} could not be installed. Delete node_modules and try again.`)
}

/** npx runs exactly the pinned pnpm, from its own cache when it has it: a registry that is slow to answer is not asked then. */
function pnpm() {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return [windows ? 'npx.cmd' : 'npx', '--prefer-offline', '--yes', packageManager]
}

/**
 * Runs a command in a process group of its own, which ends with this process, however that ends: the standard input of the group's
 * leader is a pipe from here, and when it closes the group is killed. Otherwise an installation whose command was killed would go on,
 * and the next one would run into it.
 */
const LEASH = `exec 3<&0
"$@" </dev/null 3<&- &
step=$!
{ cat >/dev/null; kill -9 0; } <&3 &
wait "$step"`

/** Runs one step to its end. */
function run(step, [command, ...first], rest) {
  const { NODE_ENV: _, ...env } = process.env // Production leaves out packages that running from sources needs.
  const PATH = [bin, env.PATH].join(delimiter)
  const options = {
    cwd: root,
    env: { ...env, PATH, TURBO_TELEMETRY_DISABLED: '1', CHECKPOINT_DISABLE: '1' },
    stdio: [windows ? 'ignore' : 'pipe', 'inherit', 'inherit'],
    detached: !windows,
    shell: windows,
  }
  console.log(`→ ${step}`)
  return new Promise((resolve, reject) => {
    const line = [command, ...first, ...rest]
    const child = windows ? spawn(command, line.slice(1), options) : spawn('sh', ['-c', LEASH, 'sh', ...line], options)
    const interrupt = (signal) => {
      rmSync(lock, { force: true })
      process.exit(128 + constants.signals[signal]) // The leash ends the rest.
    }
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.on(signal, interrupt)
    child.on('error', (error) => reject(new InstallError(`${command} cannot be run: ${error.message}`)))
    child.on('exit', (code, signal) => {
      for (const name of signals) process.removeListener(name, interrupt)
      if (child.stdin) child.stdin.end()
      if (code === 0) resolve()
      else
        reject(
          new InstallError(
            `Setting up failed at: ${step} (${signal || `exit code ${code}`}). The same command tries again.`,
          ),
        )
    })
  })
}

/** Two commands started in a fresh clone at once: the second waits for the first. A lock whose owner is gone counts for nothing. */
async function takeLock() {
  mkdirSync(dirname(lock), { recursive: true })
  for (let waits = 0; ; waits++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const owner = lockOwner()
    if (owner === undefined) rmSync(lock, { force: true })
    else if (waits === 0) console.log(`Waiting for another command that is setting up this clone (process ${owner}).`)
    if (owner !== undefined) await sleep(200)
  }
}

function lockOwner() {
  try {
    const owner = Number(readFileSync(lock, 'utf8'))
    return isRunning(owner) ? owner || undefined : undefined
  } catch {
    return undefined
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}
