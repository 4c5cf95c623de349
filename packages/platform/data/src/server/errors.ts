/** Why a server or database can't be used. Stable: scripts and alerts may depend on them. */
export type ServerErrorCode =
  /** The path of the data directory is, or goes through, a file. */
  | 'NOT_A_DIRECTORY'
  /** The data directory can't be read or written. */
  | 'NOT_PERMITTED'
  | 'DISK_FULL'
  /** The data directory was made by another major version of PostgreSQL. */
  | 'OTHER_VERSION'
  /** The data directory holds something that isn't a database cluster. */
  | 'NOT_A_CLUSTER'
  /** There are no PostgreSQL binaries for this platform, or they can't be run. */
  | 'NO_BINARIES'
  /** A server runs already for this data directory. */
  | 'ALREADY_RUNNING'
  /** Another process has been starting or stopping the server for too long. */
  | 'LOCKED'
  /** The port that was asked for is in use. */
  | 'PORT_TAKEN'
  /** PostgreSQL could not be initialised or started. */
  | 'START_FAILED'
  /** A PostgreSQL runs for this data directory and doesn't answer. */
  | 'UNRESPONSIVE'
  | 'MALFORMED_URL'
  | 'UNKNOWN_HOST'
  | 'UNKNOWN_DATABASE'
  /** The user doesn't exist, its password is wrong, or it may not connect. */
  | 'AUTHENTICATION_FAILED'
  /** Nobody answered in time. */
  | 'UNREACHABLE'
  /** The database answers and refuses the connection for another reason. */
  | 'REFUSED'

/** A server or database that can't be used, with a sentence that says what to do. */
export class ServerError extends Error {
  readonly code: ServerErrorCode

  constructor(code: ServerErrorCode, message: string, options?: ErrorOptions) {
    super(`${message} [${code}]`, options)
    this.name = 'ServerError'
    this.code = code
  }
}

/** Turns a failure of the file system below the data directory into one with a sentence. */
export function explainFileError(error: unknown, dataDir: string): unknown {
  const { code, path = dataDir } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOTDIR':
    case 'EEXIST':
      return new ServerError(
        'NOT_A_DIRECTORY',
        `The data directory ${dataDir} can't be used: there is a file in its place; move it away or set DATA_DIR to another path`,
        { cause: error },
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ServerError(
        'NOT_PERMITTED',
        `The data directory ${dataDir} can't be used: no permission for ${path} (${code}); give this user the right to read and write it, or set DATA_DIR to another path`,
        { cause: error },
      )
    case 'ENOSPC':
    case 'EDQUOT':
      return new ServerError('DISK_FULL', `There is no space left for the data directory ${dataDir}`, { cause: error })
    default:
      return error
  }
}
