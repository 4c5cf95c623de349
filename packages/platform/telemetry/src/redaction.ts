/** Names of what is secret or personal. */
const secret = /password|token|secret|authorization|cookie|e-?mail|credential|api[-_]?key/i
const left = '[redacted]'
const deepest = 6

/**
 * The same fields without what is secret or personal: what stands under the name of a secret, wherever it is nested, mail addresses, the user and
 * password of a URL, and what errors quote of people's data.
 */
export function safeFields(fields: object, depth = 0): Record<string, unknown> {
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
  const { name, code, cause } = error as Error & { code?: unknown }
  return {
    type: name,
    ...(code === undefined ? {} : { code }),
    message: safeMessage(error),
    stack: framesOf(error),
    ...(cause === undefined || depth === deepest ? {} : { cause: safeValue(cause, depth + 1) }),
  }
}

/** Where an error was made. Above the frames its stack repeats the message. */
export function framesOf({ stack = '' }: Error): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')
}

/** Prisma puts the arguments of the call before what is wrong with it, which is the last paragraph. */
export function safeMessage({ message }: Error): string {
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
