/**
 * Runs the product: the database, its migrations, and every app, each in a process of its own. All of it starts together, is `ready`
 * together and ends together.
 */
import { existsSync, globSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Environment, readEnvironment } from '@offshoot/config'
import { demo } from '@offshoot/host/demo'
import { type Database, dataDirectory, openDatabase, root } from '../database.ts'
import { Child } from './child.ts'
import { claim, type Instance } from './instance.ts'
import { watchFiles } from './watch.ts'

/** How long an app may take to finish what it is doing. With the database's own, everything ends in less than 5 s. */
const GRACE_MS = 3_000
/** In development nobody waits for requests in flight to finish. */
const RESTART_GRACE_MS = 200
/** npm passes on the Ctrl-C that the terminal has sent already: within this time it is the same one. */
const SAME_SIGNAL_MS = 500

const log = (line: string) => console.error(line)

/** Runs until a signal, or until something of it ends. Resolves with the exit code once all has stopped. */
export async function supervise({ watch }: { watch: boolean }): Promise<number> {
  const env = readEnvironment(root)
  const instance = await claim(dataDirectory(env))
  if ('pid' in instance) {
    const state = instance.url ? `runs already: ${instance.url}` : 'is starting already'
    log(`This clone's product ${state} (process ${instance.pid}).`)
    return 1
  }
  const product = new Product(env, instance, watch)
  try {
    return await product.run()
  } catch (error) {
    if (!product.stopping) log((error as Error).message)
    return product.stopping ? 0 : 1
  } finally {
    await product.stop()
  }
}

class Product {
  /** Set by the first signal. */
  stopping = false
  #env: Environment
  readonly #instance: Instance
  readonly #watch: boolean
  readonly #signal = Promise.withResolvers<number>()
  #opening: Promise<Database> | undefined
  #database: Database | undefined
  /** Processes that run now: apps, and what prepares the database for them. */
  readonly #children = new Set<Child>()
  #unwatch = () => {}
  /** The port that the gateway found; it keeps it over restarts. */
  #port: string | undefined

  constructor(env: Environment, instance: Instance, watch: boolean) {
    this.#env = env
    this.#instance = instance
    this.#watch = watch
    let first: number | undefined
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (first !== undefined && Date.now() - first > SAME_SIGNAL_MS) for (const child of this.#children) child.kill()
        first ??= Date.now()
        this.stopping = true
        this.#signal.resolve(0)
        for (const child of this.#children) void child.stop(GRACE_MS)
      })
    }
  }

  async run(): Promise<number> {
    return Promise.race([this.#signal.promise, this.#startAndServe()])
  }

  async #startAndServe(): Promise<number> {
    this.#opening = this.#openDatabase()
    this.#database = await this.#opening
    await this.#migrate()
    const { url, ended } = await this.#startApps()
    this.#greet(url)
    if (this.#watch) {
      this.#restartOnChange()
      return this.#signal.promise
    }
    const how = await ended
    if (!this.stopping) log(how)
    return 1
  }

  async stop(): Promise<void> {
    this.stopping = true
    this.#unwatch()
    await Promise.all([...this.#children].map((child) => child.stop(GRACE_MS)))
    // The embedded server may be just starting; any other database is not worth waiting for.
    const database = this.#env.DATABASE_URL ? this.#database : await this.#opening?.catch(() => undefined)
    await database?.stop()
    await this.#instance.release()
  }

  #restartOnChange(): void {
    let restarting = Promise.resolve()
    this.#unwatch = watchFiles(root, sourceDirectories(), (files) => {
      restarting = restarting.then(() => this.#restart(files))
    })
  }

  /** A change that does not start is reported; the next one is another chance. */
  async #restart(files: Set<string>): Promise<void> {
    if (this.stopping) return
    const started = Date.now()
    await Promise.all([...this.#children].map((child) => child.stop(RESTART_GRACE_MS)))
    try {
      await this.#prepareFor(files)
      await this.#startApps()
      const names = [...files].map((file) => relative(root, file)).join(', ')
      log(`restarted in ${Date.now() - started} ms after a change of ${names}`)
    } catch (error) {
      if (!this.stopping) log(`${(error as Error).message}; waiting for the next change`)
    }
  }

  /** A database that a short command has started would end with that command: it is waited for. */
  async #openDatabase(): Promise<Database> {
    for (let waits = 0; ; waits++) {
      const database = await openDatabase(this.#env, log)
      if (!database.attached || waits === 300 || this.stopping) return database
      if (waits === 0) log('Waiting for another command that uses the embedded database.')
      await sleep(200)
    }
  }

  async #migrate(): Promise<void> {
    if (!this.#database?.url && !Object.keys(this.#env).some((name) => name.endsWith('_ADMIN_DATABASE_URL'))) return
    await this.#runToEnd('migration', join(root, 'scripts/db.ts'), ['migrate', '--quiet'])
  }

  async #startApps(): Promise<{ url: string; ended: Promise<string> }> {
    const apps = globSync('apps/*/src/main.ts', { cwd: root }).map((main) => {
      const port = this.#port ? { PORT: this.#port } : {}
      return this.#fork({ name: main.split(sep)[1]!, main: join(root, main), extra: port })
    })
    const urls = await Promise.all(apps.map((app) => app.ready()))
    const url = urls[apps.findIndex((app) => app.name === 'gateway')]!
    this.#port = new URL(url).port || undefined
    return { url, ended: Promise.race(apps.map(async (app) => `${app.name} ${await app.ended}`)) }
  }

  /** What a change asks for besides new processes. */
  async #prepareFor(files: Set<string>): Promise<void> {
    const changed = [...files]
    if (files.has(join(root, '.env'))) this.#env = readEnvironment(root)
    for (const schema of changed.filter((file) => file.endsWith('schema.prisma') && existsSync(file))) {
      const generator = join(root, 'packages/platform/data/src/generate.ts')
      await this.#runToEnd('generation', generator, [], join(dirname(schema), '..'))
    }
    const restructured = changed.some((file) => /[\\/]migrations[\\/]|[\\/]domain\.ts$|[\\/]domains\.ts$/.test(file))
    if (restructured) await this.#migrate()
  }

  async #runToEnd(name: string, main: string, args: string[], cwd?: string): Promise<void> {
    const child = this.#fork({ name, main, args, cwd })
    const how = await child.ended
    if (!child.succeeded) throw new Error(`${name} ${how}`)
  }

  #fork({
    extra = {},
    ...options
  }: {
    name: string
    main: string
    args?: string[]
    cwd?: string
    extra?: Environment
  }): Child {
    if (this.stopping) throw new Error('stopping')
    const env = {
      NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node-compile'),
      ...this.#env,
      ...(this.#database?.url ? { DATABASE_URL: this.#database.url } : {}),
      ...extra,
    }
    const child = new Child({ ...options, env })
    this.#children.add(child)
    child.ended.then(() => this.#children.delete(child))
    return child
  }

  #greet(url: string): void {
    if (this.#env.NODE_ENV !== 'production') {
      console.log(`\nDemo logins, all with the password ${demo.password}:`)
      for (const { email, memberships } of demo.users) {
        const roles = Object.entries(memberships).map(([tenant, role]) => `${role} of ${tenant}`)
        console.log(`  ${email.padEnd(24)}${roles.join(', ') || 'operator, no tenant'}`)
      }
      console.log('')
    }
    this.#instance.announce(url)
    console.log(`ready ${url}`)
  }
}

function sourceDirectories(): string[] {
  return globSync('{apps/*,packages/*/*}/{src,prisma}', { cwd: root }).map((directory) => join(root, directory))
}
