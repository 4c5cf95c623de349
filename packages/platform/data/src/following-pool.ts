import pg from 'pg'
import { isRefusal } from './placement.ts'

export interface Followed {
  /** The connections to where the domain is, as far as is known. */
  present(): pg.Pool
  /** Those to where it is now, if that is elsewhere than `left`, which refused. */
  successorOf(left: pg.Pool): Promise<pg.Pool | undefined>
  /** Each transaction's first statement, by which the domain's gate is passed. */
  gate: string
}

/**
 * A pool that follows its domain when that moves. A statement by itself that is refused was all of its transaction, and is sent again to the new place. A transaction
 * passes the domain's gate as it begins, so that only its BEGIN can find the gate closed.
 *
 * Only promises: who passes a callback is refused.
 */
export class FollowingPool extends pg.Pool {
  readonly #followed: Followed

  constructor(followed: Followed) {
    super({ max: 0 })
    this.#followed = followed
  }

  override async query(...given: any[]): Promise<any> {
    refuseCallback(given)
    const pool = this.#followed.present() as any
    try {
      return await pool.query(...given)
    } catch (error) {
      const next = isRefusal(error) ? await this.#followed.successorOf(pool) : undefined
      if (!next) throw error
      return next.query(...(given as [string]))
    }
  }

  override async connect(...given: any[]): Promise<any> {
    refuseCallback(given)
    const pool = this.#followed.present()
    return new FollowingClient(this.#followed, pool, await pool.connect())
  }
}

/** What is used of a `pg.PoolClient`. */
class FollowingClient {
  readonly #followed: Followed
  readonly #listeners = new Map<(error: Error) => void, string>()
  #pool: pg.Pool
  #client: pg.PoolClient

  constructor(followed: Followed, pool: pg.Pool, client: pg.PoolClient) {
    this.#followed = followed
    this.#pool = pool
    this.#client = client
  }

  async query(...given: any[]): Promise<any> {
    refuseCallback(given)
    const text: string = typeof given[0] === 'string' ? given[0] : given[0].text
    const begin = /^BEGIN\b[^;]*/i.exec(text)?.[0]
    if (begin === undefined) return this.#client.query(...(given as [string]))
    const opening = { text: `${begin}; ${this.#followed.gate}${text.slice(begin.length)}` }
    try {
      return await this.#client.query(opening)
    } catch (error) {
      if (!isRefusal(error) || !(await this.#goOn())) throw error
      return this.#client.query(opening)
    }
  }

  /** Takes a connection to the new place instead of this one, which is left in a transaction that failed. */
  async #goOn(): Promise<boolean> {
    const next = await this.#followed.successorOf(this.#pool)
    if (!next) return false
    const client = await next.connect()
    for (const [listener, event] of this.#listeners) {
      this.#client.removeListener(event, listener)
      client.on(event as 'error', listener)
    }
    this.#client.release(true)
    this.#pool = next
    this.#client = client
    return true
  }

  release(error?: Error | boolean): void {
    this.#client.release(error)
  }

  on(event: 'error', listener: (error: Error) => void): this {
    this.#listeners.set(listener, event)
    this.#client.on(event, listener)
    return this
  }

  removeListener(event: string, listener: (error: Error) => void): this {
    this.#listeners.delete(listener)
    this.#client.removeListener(event, listener)
    return this
  }
}

function refuseCallback(given: readonly unknown[]): void {
  if (typeof given.at(-1) === 'function') throw new Error('This pool answers by promises only.')
}
