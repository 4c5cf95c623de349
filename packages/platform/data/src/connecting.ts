import { apart } from '@offshoot/telemetry'
import type pg from 'pg'
import { databaseUnavailable } from './failures.ts'
import { patience } from './patience.ts'

/** How long whoever needs a connection of their own waits for it, in ms. */
export const longestWait = 1_000

/**
 * A pool's connection, or UNAVAILABLE after {@link longestWait}. One that comes too late for whoever waited is there for the next one: a
 * database that is short of time is not asked to make it anew. The pool itself may take longer.
 */
export function connected(connect: () => Promise<pg.PoolClient>): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    let late = false
    const arrived = patience(longestWait, () => {
      late = true
      reject(databaseUnavailable(new Error(`No connection could be had within ${longestWait} ms.`)))
    })
    apart(connect)
      .then((client) => (late ? client.release() : resolve(client)), reject)
      .finally(arrived)
  })
}
