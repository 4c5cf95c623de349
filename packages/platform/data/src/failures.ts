import { deadlineExceeded, type Problem, unavailable } from '@offshoot/rpc'

/** The database cannot be reached, or has no room: the caller may try again. */
export function databaseUnavailable(cause?: unknown): Problem {
  return unavailable('DATABASE', 'The database is not available at the moment. Try again.', cause)
}

/** SQLSTATE classes and codes (PostgreSQL documentation, appendix A) that say nothing about the statement and everything about the server. */
const down = /^(08|57P0[1-5]|53[0-3]|58)/
const timedOut = new Set(['57014', '55P03', '25P03', '25P04'])

/** Turns failures of the connection and of time into problems of the closed list; every other error stays what it is. */
export function explainFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code, severity } = error as { code?: string; severity?: string }
  if (code && severity) {
    if (timedOut.has(code)) return deadlineExceeded(error)
    return down.test(code) ? databaseUnavailable(error) : error
  }
  if (code || /connection|terminated|not queryable|timeout/i.test(error.message)) return databaseUnavailable(error)
  return error
}

/**
 * The same for errors that come out of Prisma. It wraps what its adapter throws into errors of its own and keeps only the code, so
 * that a problem is made again from that; P2024 and P2028 are its own words for having waited too long.
 */
export function explainPrismaFailure(error: unknown): unknown {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  if (code === 'UNAVAILABLE') return databaseUnavailable(error)
  if (code === 'DEADLINE_EXCEEDED' || code === 'P2024' || code === 'P2028') return deadlineExceeded(error)
  return error
}

/** Whether a write failed since a row with the same value of a unique key exists (Prisma's P2002); `key` narrows to keys that contain this column or field. */
export function isUniqueViolation(error: unknown, key?: string): boolean {
  if (!(error instanceof Error) || (error as { code?: string }).code !== 'P2002') return false
  return key === undefined || JSON.stringify((error as { meta?: unknown }).meta ?? {}).includes(key)
}
