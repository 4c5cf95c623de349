import { exportLine, safeFields, safeMessage, traceFields } from '@offshoot/telemetry'
import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

/**
 * The log of a process: JSON lines in production, readable lines in development; to `destination` where one is given, otherwise to standard error; and, as they
 * stand there, to wherever telemetry sends them. Each line has the ids of the trace and the span that it was written in.
 * What stands under the name of a secret is left out wherever it is nested, and so is what errors quote of people's data. A message is written as it
 * is: put nothing into it but words.
 */
export function createLogger(options: { level: string; production: boolean; destination?: DestinationStream }): Logger {
  const readable = !options.production && !options.destination
  const destination =
    options.destination ??
    (options.production
      ? pino.destination({ dest: 2, sync: false })
      : pretty({
          destination: 2,
          sync: true,
          ignore: 'pid,hostname,trace_id,span_id,trace_flags',
        }))
  const log = pino(
    {
      level: options.level,
      mixin: traceFields,
      formatters: { level: (level) => ({ level }), log: (fields) => safeFields(fields) },
      serializers: { err: (error) => error }, // `log` has seen to it
      hooks: {
        logMethod(args, write) {
          const [first] = args as unknown[]
          const error = first instanceof Error ? first : (first as { err?: unknown } | undefined)?.err
          if (args.length === 1 && error instanceof Error) write.apply(this, [first as object, safeMessage(error)])
          else write.apply(this, args)
        },
        streamWrite(line) {
          exportLine(line)
          return readable ? onOneLine(escaped(line)) : escaped(line)
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

/** What JSON lets through and terminals act upon: C1 controls, and what else ends a line. */
const escaped = (line: string) =>
  line.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/**
 * For readable lines: whatever a message or a field holds, it cannot look like another line, nor move the terminal's cursor. Characters that JSON escapes stay escaped
 * when they are shown; but for the ends of lines before a stack's frames, which are indented.
 */
const onOneLine = (line: string) =>
  line.replace(/\\(?:\\|n(?= +at )|([bfnrt]|u[0-9a-f]{4}))/g, (all, control) => (control ? `\\${all}` : all))
