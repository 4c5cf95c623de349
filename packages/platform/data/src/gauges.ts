import { observe, type Report } from '@offshoot/telemetry'
import type pg from 'pg'

/** How things stand in a pool of connections. */
export interface PoolUsage {
  idle: number
  used: number
  max: number
  /** Who waits for a connection, or for room on one. */
  pending: number
}

export const usageOf = (pool: pg.Pool): PoolUsage => ({
  idle: pool.idleCount,
  used: pool.totalCount - pool.idleCount,
  max: pool.options.max,
  pending: pool.waitingCount,
})

const gauges = [
  'db.client.connection.count',
  'db.client.connection.max',
  'db.client.connection.pending_requests',
  'offshoot.lane.count',
] as const

type Part = (add: Report) => void

const parts = new Set<Part>()
let stop = () => {}

/** Tells of a domain's pools and lanes for as long as they are open. A process may have several of one kind, whose numbers are added up: a series has one value. */
export function contribute(part: Part): () => void {
  if (parts.size === 0) stop = observe(gauges, tellSums)
  parts.add(part)
  return () => {
    if (parts.delete(part) && parts.size === 0) stop()
  }
}

function tellSums(report: Report): void {
  const sums = new Map<string, { value: number; tell(value: number): void }>()
  const add: Report = (name, value, labels) => {
    const key = JSON.stringify([name, labels])
    const sum = sums.get(key) ?? { value: 0, tell: (value) => report(name, value, labels) }
    sums.set(key, { ...sum, value: sum.value + value })
  }
  for (const part of parts) part(add)
  for (const { value, tell } of sums.values()) tell(value)
}

export function tellPool(add: Report, domain: string, pool: string, { idle, used, max, pending }: PoolUsage): void {
  const labels = { domain, 'db.client.connection.pool.name': pool }
  add('db.client.connection.count', idle, { ...labels, 'db.client.connection.state': 'idle' })
  add('db.client.connection.count', used, { ...labels, 'db.client.connection.state': 'used' })
  add('db.client.connection.max', max, labels)
  add('db.client.connection.pending_requests', pending, labels)
}
