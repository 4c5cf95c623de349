import { statSync } from 'node:fs'
import { type Link, serviceUnavailable } from '@offshoot/rpc'
import type { Remote, RemoteOptions } from '@offshoot/rpc/remote'
import { appOf, readTopology, settingOf, type Topology } from './topology.ts'

export interface ElsewhereOptions {
  /** The app that this is. */
  app: string
  /** `topology.json`. When it changes, calls go elsewhere without a restart, as soon as those who serve them from then on are ready. */
  file: string
  /** The URL at which another app serves calls; undefined when that is not known. */
  urlOf(app: string, topology: Topology): string | undefined
  onUnexpected: RemoteOptions['onUnexpected']
  /** Told of a topology that cannot be used; the last one holds. */
  onTrouble(error: unknown): void
  /** How often to look whether the file has changed, in ms. Default 500. */
  every?: number
}

/** What other processes serve. */
export interface Elsewhere {
  readonly topology: Topology
  /** The link for all contracts: `local` carries the calls to the domains that `isHere`. */
  link(local: Link, isHere: (domain: string) => boolean): Link
  /** Where the domain is served by another process. */
  urlOf(domain: string): string | undefined
  /** What the other apps say of themselves, by name; undefined for one that does not answer. */
  health(): Promise<Record<string, Readiness | undefined>>
  close(): Promise<void>
}

/** Follows the topology: which domain is served by which process, at this moment. */
export function openElsewhere(options: ElsewhereOptions): Elsewhere {
  const { app, file, onTrouble, every = 500 } = options
  let topology = readTopology(file)
  let wanted = topology
  let read = versionOf(file)
  let looking = false
  async function look(): Promise<void> {
    const version = versionOf(file)
    if (version !== read) {
      read = version
      try {
        wanted = readTopology(file)
      } catch (error) {
        onTrouble(error)
      }
    }
    if (wanted === topology) return
    const next = wanted
    const states = await Promise.all(
      newOwners(topology, next, app).map((other) => readinessAt(options.urlOf(other, next))),
    )
    if (states.every((state) => state?.status === 'ready')) topology = next
  }
  const watching = setInterval(() => {
    if (looking) return
    looking = true
    look().finally(() => {
      looking = false
    })
  }, every).unref()

  const remotes = new Map<string, Promise<Remote>>()
  function remoteAt(url: string): Promise<Remote> {
    const remote = remotes.get(url) ?? openRemote(url, options)
    remotes.set(url, remote)
    return remote
  }

  /** By domain, where it was served last: a process that does not host it cannot take it back. */
  const last = new Map<string, string>()
  function urlOf(domain: string): string | undefined {
    const owner = appOf(topology, domain)
    if (owner === app) return undefined
    const url = options.urlOf(owner, topology)
    if (url) last.set(domain, url)
    return url
  }

  return {
    get topology() {
      return topology
    },
    link: (local, isHere) => async (contract, call, input, headers, caller) => {
      const [domain = ''] = contract.name.split('.')
      const here = isHere(domain)
      const url = urlOf(domain) ?? (here ? undefined : last.get(domain))
      if (url) return (await remoteAt(url)).link(contract, call, input, headers, caller)
      if (here) return local(contract, call, input, headers, caller)
      const cause = new Error(`No process that serves ${domain} is known: set ${settingOf(appOf(topology, domain))}.`)
      throw serviceUnavailable(cause)
    },
    urlOf,
    async health() {
      const others = Object.keys(topology.apps).filter((other) => other !== app)
      const answers = others.map(async (other) => [other, await readinessAt(options.urlOf(other, topology))] as const)
      return Object.fromEntries(await Promise.all(answers))
    },
    async close() {
      clearInterval(watching)
      await Promise.all([...remotes.values()].map(async (remote) => (await remote).close()))
    },
  }
}

/** Loaded when there is somebody to call: everything together needs no HTTP client. */
async function openRemote(url: string, { onUnexpected }: ElsewhereOptions): Promise<Remote> {
  const { remoteLink } = await import('@offshoot/rpc/remote')
  return remoteLink(url, { onUnexpected })
}

/** Apps that get domains by the change from one topology to the next. */
function newOwners(from: Topology, to: Topology, app: string): string[] {
  const domains = Object.values(to.apps).flatMap((one) => one.domains)
  const owners = domains
    .filter((domain) => appOf(from, domain) !== appOf(to, domain))
    .map((domain) => appOf(to, domain))
  return [...new Set(owners)].filter((owner) => owner !== app)
}

/** What `/readyz` answers. */
export interface Readiness {
  status: 'ready' | 'not ready'
  dependencies: Record<string, 'up' | 'degraded' | 'down'>
  /** How long the oldest event that is not published has waited, in seconds, by domain. */
  outboxLagSeconds?: Record<string, number | null>
}

async function readinessAt(url: string | undefined): Promise<Readiness | undefined> {
  if (url === undefined) return undefined
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) })
    return (await response.json()) as Readiness
  } catch {
    return undefined
  }
}

function versionOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats ? `${stats.mtimeMs} ${stats.size} ${stats.ino}` : ''
}
