import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

/** Where secrets and personal data could stand in what is logged. */
const secrets = ['password', 'token', 'secret', 'authorization', 'cookie', 'email', 'credential', 'apiKey']

/** The log of a process: JSON lines in production, readable lines in development; to `destination` where one is given, otherwise to standard error. */
export function createLogger(options: { level: string; production: boolean; destination?: DestinationStream }): Logger {
  const redact = { paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' }
  const destination =
    options.destination ??
    (options.production
      ? pino.destination({ dest: 2, sync: false })
      : pretty({ destination: 2, sync: true, ignore: 'pid,hostname' }))
  return pino({ level: options.level, redact, formatters: { level: (level) => ({ level }) } }, destination)
}
