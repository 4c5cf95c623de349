/** The embedded PostgreSQL, and waiting for any other. */
export { makeDataDirectory } from './directory.ts'
export { explainFileError, ServerError, type ServerErrorCode } from './errors.ts'
export { ensureServer, type Server, type ServerOptions, startServer } from './start.ts'
export { type WaitOptions, waitForDatabase } from './wait.ts'
