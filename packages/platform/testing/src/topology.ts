import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestDatabase, testDatabase } from '@offshoot/data/testing'
import {
  appOf,
  createService,
  type Domain,
  type Elsewhere,
  gateway,
  type Host,
  type HostOptions,
  type HttpServer,
  listen,
  openElsewhere,
  passOn,
  readTopology,
  type Service,
} from '@offshoot/host'
import { edge } from '@offshoot/rpc'
import { Router } from 'express'

const repository = readTopology(join(import.meta.dirname, '../../../../topology.json'))

/**
 * How tests run the product: as `topology.json` has it, or as `TEST_TOPOLOGY` says, which names the domains that run apart (`orders`, several separated by commas, `all` or
 * `none`), with `+databases` in databases of their own. No test knows.
 */
function topologyOfTests(domains: readonly Domain[]): { apart: string[]; databases: boolean } {
  const [names, databases] = (process.env.TEST_TOPOLOGY ?? '').split('+')
  const all = domains.map(({ name }) => name)
  const asked = (name: string) => (names ? names.split(',').includes(name) : appOf(repository, name) !== gateway)
  const apart = names === 'all' ? all : all.filter(asked)
  return { apart, databases: databases === 'databases' }
}

/** What of the product runs beside the process under test. */
export interface Apart {
  elsewhere: Elsewhere | undefined
  /** The whole product as one host, with `main` as the process under test, which from now on serves the others' calls. */
  together(main: Host): Host
  /** The apps beside, by name. */
  apps: ReadonlyMap<string, AppApart>
  /** Changes the topology while all of it runs: from now on these domains, each an app that runs, are apart. */
  divide(apart: readonly string[]): void
  stop(): Promise<void>
}

export interface AppApart {
  url: string
  /** What it serves. */
  listener: RequestListener
  /** Has it answer otherwise, as a service does that is in trouble. */
  serve(listener: RequestListener): void
  /** Takes it off the network; `start` puts it back. */
  stop(): Promise<void>
  start(): Promise<void>
}

export interface ApartOptions extends Omit<HostOptions, 'elsewhere'> {
  /** The apps run, but everything is in the process under test until the test says `divide`. */
  undivided?: boolean
}

/** Starts the domains that run apart in this topology: each behind a port of 127.0.0.1 of its own, calling the others as they call it. */
export async function startApart({ undivided = false, ...options }: ApartOptions): Promise<Apart> {
  const { domains } = options
  const { apart } = topologyOfTests(domains)
  if (apart.length === 0) {
    const divide = () => {
      throw new Error('No domain runs apart: set TEST_TOPOLOGY.')
    }
    return { elsewhere: undefined, together: (main) => main, apps: new Map(), divide, stop: async () => {} }
  }
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-topology-'))
  const file = join(directory, 'topology.json')
  const servers = new Map<string, HttpServer>()
  for (const app of [gateway, ...apart]) servers.set(app, await listen({ host: '127.0.0.1', port: 0 }))
  const urls = new Map([...servers].map(([app, { port }]) => [app, `http://127.0.0.1:${port}`]))
  function divide(names: readonly string[]): void {
    const apps = names.map((name) => [name, { port: servers.get(name)!.port, domains: [name] }])
    writeFileSync(`${file}.new`, JSON.stringify({ apps: Object.fromEntries(apps) }))
    renameSync(`${file}.new`, file)
  }
  divide(undivided ? [] : apart)
  const opened: Elsewhere[] = []
  function open(app: string): Elsewhere {
    const elsewhere = openElsewhere({
      app,
      file,
      every: 100,
      urlOf: (other) => urls.get(other),
      onUnexpected: (error, { name, requestId, code }) =>
        options.platform.log.warn({ err: error, call: name, requestId, code }, 'a call failed unexpectedly'),
      onTrouble: (error) => options.platform.log.error({ err: error }, 'the topology cannot be used'),
    })
    opened.push(elsewhere)
    return elsewhere
  }

  const hosts = new Map<string, Host>()
  const services: Service[] = []
  const apps = new Map<string, AppApart>()
  for (const name of apart) {
    const own = domains.filter((domain) => domain.name === name)
    const service = await createService({ ...options, domains: own, elsewhere: open(name) })
    let { listener } = service
    servers.get(name)!.serve(listener)
    services.push(service)
    hosts.set(name, service.host)
    apps.set(name, {
      url: urls.get(name)!,
      listener,
      serve(other) {
        listener = other
        servers.get(name)!.serve(listener)
      },
      stop: () => servers.get(name)!.close(),
      async start() {
        const server = await listen({ host: '127.0.0.1', port: servers.get(name)!.port })
        servers.set(name, server)
        server.serve(listener)
      },
    })
  }

  return {
    elsewhere: open(gateway),
    together(main) {
      servers.get(gateway)!.serve(main.calls)
      const all = [main, ...hosts.values()]
      const routes = [...hosts].flatMap(([name, host]) =>
        host.routes.map(({ domain, path }) => ({
          domain,
          path,
          router: Router().use(passOn(urls.get(name)!, tokenFor(host, domain))),
        })),
      )
      return {
        ...main,
        routes: [...main.routes, ...routes],
        async health() {
          return Object.assign({}, ...(await Promise.all(all.map((host) => host.health()))))
        },
        async seed() {
          for (const host of all) await host.seed()
        },
        runSchedule: (name) => (hosts.get(name.split('.')[0]!) ?? main).runSchedule(name),
      }
    },
    apps,
    divide,
    async stop() {
      await Promise.all(services.map((service) => service.stop()))
      await Promise.all(opened.map((one) => one.close()))
      await Promise.all([...servers.values()].map((server) => server.close()))
      rmSync(directory, { recursive: true })
    },
  }
}

const tokenFor = ({ tokens }: Host, domain: string) => tokens.mint(edge, domain, Date.now() + 60 * 60_000)

/** The database of all domains, or one for each where this topology has it so. */
export async function topologyDatabase(domains: readonly Domain[]): Promise<TestDatabase> {
  const schemas = domains.map(({ data }) => data)
  if (!topologyOfTests(domains).databases) return testDatabase(schemas)
  const own = new Map<string, TestDatabase>()
  for (const schema of schemas) own.set(schema.name, await testDatabase([schema]))
  const [first] = own.values()
  /** What names no domain is asked of all databases, one after the other: it may change what they have in common. */
  async function admin(sql: string, values?: unknown[]): Promise<any[]> {
    const name = new RegExp(`\\b(${[...own.keys()].join('|')})"?\\.`).exec(sql)?.[1]
    const named = own.get(name ?? '')
    if (named || /\bevents\./.test(sql)) return (named ?? first!).admin(sql, values)
    const rows: any[] = []
    for (const database of own.values()) rows.push(...(await database.admin(sql, values)))
    return rows
  }
  return {
    adminUrl: first!.adminUrl,
    urls: Object.assign({}, ...[...own.values()].reverse().map(({ urls }) => urls)),
    admin,
    async drop() {
      for (const database of own.values()) await database.drop()
    },
  }
}
