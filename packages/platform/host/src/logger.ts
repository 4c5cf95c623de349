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
  const safe = (fields: object) => safeFields(fields, 0)
  const log = pino(
    {
      level: options.level,
      formatters: { level: (level) => ({ level }), log: safe },
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
    return child.call(this, safe(bindings), ...(rest as [])) as never
  } as typeof child
  return log
}

/** Names of what is secret or personal. */
const secret = /password|token|secret|authorization|cookie|e-?mail|credential|api[-_]?key/i
const left = '[redacted]'
const deepest = 6

function safeFields(fields: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, secret.test(name) ? left : safeValue(value, depth + 1)]),
  )
}

function safeValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return withoutAddresses(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) return safeError(value, depth)
  if (depth === deepest || ArrayBuffer.isView(value)) return `[${value.constructor?.name ?? 'object'}]`
  if (Array.isArray(value)) return value.map((item) => safeValue(item, depth + 1))
  if ('toJSON' in value && typeof value.toJSON === 'function') return safeValue(value.toJSON(), depth + 1)
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
    ? safeFields(value, depth)
    : `[${prototype.constructor?.name}]`
}

/** An error's kind, code, message and place. Whatever else hangs on it may quote the data it happened to: PostgreSQL and Prisma do. */
function safeError(error: Error, depth: number): Record<string, unknown> {
  const { name, code, stack = '', cause } = error as Error & { code?: unknown }
  return {
    type: name,
    ...(code === undefined ? {} : { code }),
    message: safeMessage(error),
    stack: stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'), // above the frames it repeats the message
    ...(cause === undefined || depth === deepest ? {} : { cause: safeValue(cause, depth + 1) }),
  }
}

/** Prisma puts the arguments of the call before what is wrong with it, which is the last paragraph. */
function safeMessage({ message }: Error): string {
  const text = /^\s*Invalid `/.test(message)
    ? (message
        .trimEnd()
        .split(/\n\s*\n/)
        .at(-1) ?? '')
    : message
  return withoutAddresses(text)
}

/** Without mail addresses, and without the user and password of a URL. */
function withoutAddresses(text: string): string {
  return text.includes('@') ? text.replace(/[^\s@"'`<>()/]+@(?=[^\s@])/g, `${left}@`) : text
}
