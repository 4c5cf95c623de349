/**
 * Runs the product: the database, its migrations, and every app, each in a process of its own. All of it starts together, is `ready`
 * together and ends together.
 */
import { existsSync, globSync, unwatchFile, watchFile } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Environment, readEnvironment } from '@offshoot/config'
import { demo } from '@offshoot/host/demo'
import { gateway, gatewayPort, readTopology, settingOf } from '@offshoot/host/topology'
import { areBeingMade } from '../changes.ts'
import { type Database, dataDirectory, openDatabase, root } from '../database.ts'
import { NODE_COMPILE_CACHE } from '../run.ts'
import { Child, type ChildOptions } from './child.ts'
import { freePort } from './free-port.ts'
import { claim, type Instance } from './instance.ts'
import { watchFiles } from './watch.ts'

/** How long an app may take to finish what it is doing. With the database's own, everything ends in less than 5 s. */
const GRACE_MS = 3_000
/** In development nobody waits for requests in flight to finish. */
const RESTART_GRACE_MS = 200
/** npm passes on the Ctrl-C that the terminal has sent already: within this time it is the same one. */
const SAME_SIGNAL_MS = 500

/** The list of the domains whose tables are migrated. */
const DOMAINS = 'apps/gateway/src/domains.ts'

const log = (line: string) => console.error(line)

/** Runs until a signal, or until something of it ends. Resolves with the exit code once all has stopped. */
export async function supervise({ watch }: { watch: boolean }): Promise<number> {
  try {
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
    } finally {
      await product.stop()
    }
  } catch (error) {
    log((error as Error).message)
    return 1
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
  /** In development: the processes for after the next change, which have loaded what does not change. */
  #next: Child[] = []
  #unwatch = () => {}
  #restarting = Promise.resolve()
  /** The port that the gateway found; it keeps it over restarts. */
  #port: string | undefined
  /** Where each app serves calls, by the setting that says so; they keep it over restarts. */
  readonly #addresses: Record<string, string> = {}
  readonly #laterEnded = Promise.withResolvers<string>()

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
    const serving = this.#startAndServe().catch((error) => {
      if (this.stopping) return 0 // What was interrupted fails, as it should.
      throw error
    })
    return Promise.race([this.#signal.promise, serving])
  }

  async #startAndServe(): Promise<number> {
    const migration = this.#forkMigration()
    const apps = this.#forkApps(false)
    await this.#checkSettings()
    this.#opening = this.#openDatabase()
    this.#database = await this.#opening
    await this.#migrate(migration)
    const { url, ended } = await this.#open(apps)
    this.#greet(url)
    if (this.#watch) {
      this.#next = this.#forkApps(true)
      this.#restartOnChange()
      return this.#signal.promise
    }
    this.#followTopology(apps)
    const how = await Promise.race([ended, this.#laterEnded.promise])
    if (!this.stopping) log(how)
    return 1
  }

  /** An app that is split off while the product runs is started beside it: the others go over to it when it is ready. */
  #followTopology(running: Child[]): void {
    const known = new Set(running.map(({ name }) => name))
    watchFile(this.#topologyFile, { interval: 500 }, () => {
      for (const app of this.#forkApps(true, known)) {
        known.add(app.name)
        this.#open([app]).then(
          ({ url, ended }) => {
            for (const child of this.#children) child.tell(this.#addresses) // its port may be another than the topology's
            log(`${app.name} serves at ${url}; calls go there from now on`)
            void ended.then((how) => this.#laterEnded.resolve(how))
          },
          (error) => log((error as Error).message),
        )
      }
    })
  }

  /** All that is wrong with the settings is said before anything is made. Loaded here, while the processes load what they need. */
  async #checkSettings(): Promise<void> {
    const { loadGatewayConfig } = await import('@offshoot/gateway/config')
    const domains = globSync('packages/domains/*/package.json', { cwd: root }).map((file) => basename(dirname(file)))
    loadGatewayConfig(this.#env, domains.sort())
  }

  async stop(): Promise<void> {
    this.stopping = true
    this.#unwatch()
    unwatchFile(this.#topologyFile)
    await Promise.all([...this.#children].map((child) => child.stop(GRACE_MS)))
    // The embedded server may be just starting; any other database is not worth waiting for.
    const database = this.#env.DATABASE_URL ? this.#database : await this.#opening?.catch(() => undefined)
    await database?.stop()
    this.#instance.release()
  }

  #restartOnChange(): void {
    this.#unwatch()
    this.#unwatch = watchFiles(root, sourceDirectories(), (files) => {
      this.#restarting = this.#restarting.then(() => this.#restart(files))
    })
  }

  /** A change that does not start is reported; the next one is another chance. One that another command makes is waited for: what it needs is installed last. */
  async #restart(files: Set<string>): Promise<void> {
    while (areBeingMade(root) && !this.stopping) await sleep(100)
    if (this.stopping) return
    if (restructures(files)) this.#restartOnChange() // the folders of a new domain too
    const started = Date.now()
    try {
      await this.#generateFor(files)
      const apps = this.#takeNext(files)
      const before = [...this.#children].filter((child) => !apps.includes(child))
      await Promise.all(before.map((child) => child.stop(RESTART_GRACE_MS)))
      if (restructures(files)) await this.#migrate(this.#forkMigration())
      await this.#open(apps)
      const names = [...files].map((file) => relative(root, file)).join(', ')
      this.#next = this.#forkApps(true)
      log(`restarted in ${Date.now() - started} ms after a change of ${names}`)
    } catch (error) {
      if (this.stopping) return
      log(`${(error as Error).message}; waiting for the next change`)
      await Promise.all([...this.#children].map((child) => child.stop(RESTART_GRACE_MS)))
      if (!this.stopping) this.#next = this.#forkApps(true)
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

  /** The processes that wait for a change; new ones where settings have changed, or one of them has ended. */
  #takeNext(files: Set<string>): Child[] {
    const next = this.#next
    this.#next = []
    const usable = next.length > 0 && next.every((child) => child.alive) && !files.has(join(root, '.env'))
    return usable ? next : this.#forkApps(true)
  }

  #forkMigration(): Child {
    return this.#fork({
      name: 'migration',
      main: join(root, 'scripts/db.ts'),
      args: ['migrate', '--quiet'],
      warm: join(root, DOMAINS),
    })
  }

  async #migrate(migration: Child): Promise<void> {
    const administered =
      this.#database?.url || Object.keys(this.#env).some((name) => name.endsWith('_ADMIN_DATABASE_URL'))
    if (administered) await this.#toEnd(migration)
    else await migration.stop(0)
  }

  /** Processes of all apps, loading what they need and waiting to be opened; `fresh` ones load their own modules only then. */
  #forkApps(fresh: boolean, except: ReadonlySet<string> = new Set()): Child[] {
    const mains = globSync('apps/*/src/main.ts', { cwd: root }).map((main) => ({ name: main.split(sep)[1]!, main }))
    return mains
      .filter(({ name }) => !except.has(name))
      .map(({ name, main }) => {
        const own = join(root, dirname(main), 'app.ts')
        const warm = fresh || !existsSync(own) ? 'packages' : own
        return this.#fork({ name, main: join(root, main), warm, app: true })
      })
  }

  async #open(apps: Child[]): Promise<{ url: string; ended: Promise<string> }> {
    const addresses = await this.#addressesOf(apps)
    for (const app of apps) {
      const own = addresses[settingOf(app.name)]
      app.go({
        ...this.#databaseUrl(),
        ...addresses,
        ...(own ? { INTERNAL_PORT: new URL(own).port } : {}),
        ...(this.#port ? { PORT: this.#port } : {}),
      })
    }
    const urls = await Promise.all(apps.map((app) => app.ready()))
    const at = apps.findIndex((app) => app.name === gateway)
    if (at >= 0) this.#port = new URL(urls[at]!).port || undefined
    const url = urls[Math.max(0, at)]!
    return { url, ended: Promise.race(apps.map(async (app) => `${app.name} ${await app.ended}`)) }
  }

  get #topologyFile(): string {
    return resolve(root, this.#env.TOPOLOGY_FILE ?? 'topology.json')
  }

  /** Where apps call each other: the ports of the topology, or the next free ones, since another clone may be running. What runs stays where it is. */
  async #addressesOf(apps: Child[]): Promise<Environment> {
    const { apps: services } = readTopology(this.#topologyFile)
    if (Object.keys(services).length > 0) this.#port ??= this.#env.PORT ?? String(await freePort(4000, []))
    for (const { name } of apps) {
      const setting = settingOf(name)
      if (this.#addresses[setting]) continue
      const taken = [this.#port, ...Object.values(this.#addresses).map((url) => new URL(url!).port)].map(Number)
      const first = name === gateway ? gatewayPort : (services[name]?.port ?? gatewayPort + 1)
      const port = (name === gateway && this.#env.INTERNAL_PORT) || (await freePort(first, taken))
      this.#addresses[setting] = this.#env[setting] ?? `http://127.0.0.1:${port}`
    }
    return this.#addresses
  }

  async #generateFor(files: Set<string>): Promise<void> {
    if (files.has(join(root, '.env'))) this.#env = readEnvironment(root)
    const generator = join(root, 'packages/platform/data/src/generate.ts')
    for (const schema of files) {
      if (!schema.endsWith('schema.prisma') || !existsSync(schema)) continue
      await this.#toEnd(this.#fork({ name: 'generation', main: generator, cwd: join(dirname(schema), '..') }))
    }
  }

  async #toEnd(child: Child): Promise<void> {
    child.go(this.#databaseUrl())
    const how = await child.ended
    if (!child.succeeded) throw new Error(`${child.name} ${how}`)
  }

  #databaseUrl(): Environment {
    return this.#database?.url ? { DATABASE_URL: this.#database.url } : {}
  }

  #fork(options: Omit<ChildOptions, 'env'>): Child {
    if (this.stopping) throw new Error('stopping')
    const child = new Child({ ...options, env: { NODE_COMPILE_CACHE, ...this.#env } })
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

/** Whether a change may have brought migrations, or domains that have some. */
function restructures(files: Set<string>): boolean {
  return [...files].some((file) => /[\\/]migrations[\\/]|[\\/]domains?\.ts$/.test(file))
}

function sourceDirectories(): string[] {
  return globSync('{apps/*,packages/*/*}/{src,prisma}', { cwd: root }).map((directory) => join(root, directory))
}
