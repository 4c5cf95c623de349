import { safeFields, safeMessage } from '@offshoot/telemetry'
import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

/**
 * The log of a process: JSON lines in production, readable lines in development; to `destination` where one is given, otherwise to standard error.
 * What stands under the name of a secret is left out wherever it is nested, and so is what errors quote of people's data. A message is written as it
 * is: put nothing into it but words.
 */
export function createLogger(options: { level: string; production: boolean; destination?: DestinationStream }): Logger {
  const destination =
    options.destination ??
    (options.production
      ? pino.destination({ dest: 2, sync: false })
      : pretty({ destination: 2, sync: true, ignore: 'pid,hostname' }))
  const log = pino(
    {
      level: options.level,
      formatters: { level: (level) => ({ level }), log: (fields) => safeFields(fields) },
      serializers: { err: (error) => error }, // `log` has seen to it
      hooks: {
        logMethod(args, write) {
          const [first] = args as unknown[]
          const error = first instanceof Error ? first : (first as { err?: unknown } | undefined)?.err
          if (args.length === 1 && error instanceof Error) write.apply(this, [first as object, safeMessage(error)])
          else write.apply(this, args)
        },
      },
    },
    destination,
  )
  const { child } = log
  // Children inherit it. Pino asks no formatter about what is bound to them.
  log.child = function (this: Logger, bindings: object, ...rest: unknown[]) {
    return child.call(this, safeFields(bindings), ...(rest as [])) as never
  } as typeof child
  return log
}
