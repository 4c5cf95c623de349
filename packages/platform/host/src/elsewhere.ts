import { statSync } from 'node:fs'
import { type Link, type Remote, type RemoteOptions, remoteLink, unavailable } from '@offshoot/rpc'
import { appOf, readTopology, settingOf, type Topology } from './topology.ts'

export interface ElsewhereOptions {
  /** The app that this is. */
  app: string
  /** `topology.json`. When it changes, calls go elsewhere from then on, without a restart. */
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
  let read = versionOf(file)
  const watching = setInterval(() => {
    const version = versionOf(file)
    if (version === read) return
    read = version
    try {
      topology = readTopology(file)
    } catch (error) {
      onTrouble(error)
    }
  }, every).unref()

  const remotes = new Map<string, Remote>()
  function remoteAt(url: string): Remote {
    const remote = remotes.get(url) ?? remoteLink(url, { onUnexpected: options.onUnexpected })
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
    link: (local, isHere) => (contract, call, input, headers, caller) => {
      const [domain = ''] = contract.name.split('.')
      const here = isHere(domain)
      const url = urlOf(domain) ?? (here ? undefined : last.get(domain))
      if (url) return remoteAt(url).link(contract, call, input, headers, caller)
      if (here) return local(contract, call, input, headers, caller)
      const cause = new Error(`No process that serves ${domain} is known: set ${settingOf(appOf(topology, domain))}.`)
      return Promise.reject(unavailable('SERVICE', 'A part of the product is not available at the moment.', cause))
    },
    urlOf,
    async health() {
      const others = Object.keys(topology.apps).filter((other) => other !== app)
      const answers = others.map(async (other) => [other, await readinessAt(options.urlOf(other, topology))] as const)
      return Object.fromEntries(await Promise.all(answers))
    },
    async close() {
      clearInterval(watching)
      await Promise.all([...remotes.values()].map((remote) => remote.close()))
    },
  }
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
