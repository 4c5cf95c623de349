/** Waiting for a database that may not be up yet, without waiting for one that never will be. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { ServerError } from './errors.ts'

export interface WaitOptions {
  /** How long to go on trying. Default 30 s. */
  timeoutMs?: number
  /** Told once that it waits, and for what. */
  log?(line: string): void
}

/**
 * Resolves when the database answers. A server that is down, starting or full is tried again until the time is over; what trying
 * again can't change (password, database, host name, URL) fails at once. Errors name host, port and database, never the password.
 */
export async function waitForDatabase(url: string, options: WaitOptions = {}): Promise<void> {
  const { timeoutMs = 30_000, log } = options
  const where = describe(url)
  const end = Date.now() + timeoutMs
  for (let attempt = 0; ; attempt++) {
    const left = Math.max(end - Date.now(), 1)
    const error = await tryOnce(url, Math.min(left, 5_000))
    if (!error) return
    const final = explain(error, where)
    if (final) throw final
    if (attempt === 0) log?.(`waiting for the database ${where} (${reason(error)})`)
    const pause = Math.min(100 * 1.5 ** attempt, 1_000)
    if (Date.now() + pause >= end) {
      throw new ServerError(
        'UNREACHABLE',
        `The database ${where} did not answer within ${timeoutMs / 1000} s (${reason(error)}); start it, or correct its URL`,
        { cause: error },
      )
    }
    await sleep(pause)
  }
}

async function tryOnce(url: string, connectionTimeoutMillis: number): Promise<Error | undefined> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis,
    query_timeout: connectionTimeoutMillis,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
    return undefined
  } catch (error) {
    return error as Error
  } finally {
    await client.end().catch(() => {})
  }
}

/** An error that trying again doesn't change. */
function explain(error: Error, where: string): ServerError | undefined {
  const { code } = error as { code?: string }
  const refused = (as: ServerError['code'], sentence: string) => new ServerError(as, sentence, { cause: error })
  switch (code) {
    case '28P01':
    case '28000':
      return refused(
        'AUTHENTICATION_FAILED',
        `The database ${where} refuses the user or the password of its URL; correct them`,
      )
    case '3D000':
      return refused('UNKNOWN_DATABASE', `The server has no database ${where}; create it, or correct the URL`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return refused('UNKNOWN_HOST', `The host of the database ${where} can't be resolved; correct the URL`)
  }
  if (error instanceof AggregateError) return undefined // all addresses of the host, each refused
  // Classes 08 and 57 speak of the connection and of a server that starts or stops, 53 of one that is full.
  if (!code || /^(08|53|57|E[A-Z]+)/.test(code))
    return isSettled(error) ? refused('REFUSED', `The database ${where} can't be used: ${error.message}`) : undefined
  return refused('REFUSED', `The database ${where} refuses the connection: ${error.message}`)
}

/** Errors of the client itself, which have no code. */
function isSettled({ message }: Error): boolean {
  return /SASL|SCRAM|SSL|certificate/i.test(message)
}

const reason = (error: Error): string =>
  error instanceof AggregateError ? reason(error.errors[0]) : ((error as { code?: string }).code ?? error.message)

/** Host, port and database. */
function describe(url: string): string {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw malformed()
  }
  if (!/^postgres(ql)?:$/.test(parsed.protocol) || !parsed.hostname) throw malformed()
  const { hostname, port, pathname, username } = parsed
  return `${decodeURIComponent(pathname.slice(1) || username) || 'postgres'} at ${hostname}:${port || 5432}`
}

const malformed = () =>
  new ServerError(
    'MALFORMED_URL',
    'The URL of the database is malformed; it reads postgres://user:password@host:5432/database, special characters percent-encoded',
  )
