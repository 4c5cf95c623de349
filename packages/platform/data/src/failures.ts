import { deadlineExceeded, Problem, unavailable } from '@offshoot/rpc'

/** The database cannot be reached, or has no room: the caller may try again. */
export function databaseUnavailable(cause?: unknown): Problem {
  return unavailable('DATABASE', 'The database is not available at the moment. Try again.', cause)
}

/** SQLSTATE classes and codes (PostgreSQL documentation, appendix A) that say nothing about the statement and everything about the server. */
const down = /^(08|57P0[1-5]|53|55000|58)/
const timedOut = new Set(['57014', '55P03', '25P03', '25P04'])

/** Turns failures of the connection and of time into problems of the closed list; every other error stays what it is. */
export function explainFailure(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof Problem) return error
  const { code, severity } = error as { code?: string; severity?: string }
  if (code && severity) {
    delete (error as { detail?: string }).detail // quotes the row, and errors are logged
    if (timedOut.has(code)) return deadlineExceeded(error)
    return down.test(code) ? databaseUnavailable(error) : error
  }
  const broken = code ? ofSystem.test(code) : /connection|terminated|not queryable|timeout/i.test(error.message)
  return broken ? databaseUnavailable(error) : error
}

/** Codes of the operating system (`ECONNRESET`), as opposed to those of Node's own errors (`ERR_INVALID_ARG_TYPE`), which are mistakes of ours. */
const ofSystem = /^E(?!RR_)[A-Z_]+$/

/**
 * The same for errors that come out of Prisma. It wraps what its adapter throws into errors of its own and keeps only the code, so
 * that a problem is made again from that; P2024 and P2028 are its own words for having waited too long, P2034 for a deadlock or a
 * serialization failure.
 */
export function explainPrismaFailure(error: unknown): unknown {
  if (error instanceof Problem) return error
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  if (code === 'UNAVAILABLE' || unreachable.has(code as string)) return databaseUnavailable(error)
  if (code === 'DEADLINE_EXCEEDED' || code === 'P2024' || code === 'P2028') return deadlineExceeded(error)
  if (code === 'P2034' || isWriteConflict(error) || conflicts.has(originalCode(error)))
    return unavailable('WRITE_CONFLICT', 'Somebody changed the same thing at the same time. Try again.', error)
  return error
}

/** PostgreSQL's codes for a serialization failure and a deadlock, which Prisma does not recognise in raw statements (P2010). */
const conflicts = new Set<unknown>(['40001', '40P01'])

/** SQLSTATE of our own: somebody else handled the event meanwhile, or is rebuilding what its handler makes. Nothing of this attempt was kept. */
export const overtaken = 'OF001'

export const isOvertaken = (error: unknown): boolean => originalCode(error) === overtaken

/** Of a raw statement's failure, or of COMMIT's, which Prisma passes on as the adapter has it. */
function originalCode(error: unknown): unknown {
  const { meta, cause } = (error ?? {}) as AdapterFailure & { cause?: { originalCode?: string } }
  return (meta?.driverAdapterError?.cause ?? cause)?.originalCode
}

/** As the adapter has it: Prisma passes on what COMMIT says without a code of its own. */
function isWriteConflict(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as { kind?: unknown } | undefined) : undefined
  return cause?.kind === 'TransactionWriteConflict'
}

/** Prisma's words for a database that does not answer, closed the connection, or has no room for another. */
const unreachable = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2037'])

interface AdapterFailure {
  meta?: {
    driverAdapterError?: {
      cause?: { originalCode?: string; table?: string; constraint?: { index?: string; fields?: string[] } }
    }
  }
}

/** Whether a write failed because a row with the same unique key exists (Prisma's P2002); `key` narrows to keys with this field or column. */
export function isUniqueViolation(error: unknown, key?: string): boolean {
  if (!(error instanceof Error) || (error as { code?: string }).code !== 'P2002') return false
  if (key === undefined) return true
  const column = key.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase()
  const { table = '', constraint } = (error as AdapterFailure).meta?.driverAdapterError?.cause ?? {}
  if (constraint?.fields) return constraint.fields.includes(column)
  // Prisma names an index `<table>_<column>_<column>_key`.
  const columns = (constraint?.index ?? '').slice(`${table}_`.length).replace(/_p?key$/, '')
  return `_${columns}_`.includes(`_${column}_`)
}
