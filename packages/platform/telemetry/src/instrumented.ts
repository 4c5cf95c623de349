import { createRequire } from 'node:module'
import { createNoopMeter } from '@opentelemetry/api'
import { isWrapped, registerInstrumentations } from '@opentelemetry/instrumentation'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import type { TracerProvider } from '@opentelemetry/sdk-trace'
import { describeStatement, statementAttributes } from './statement.ts'

const require = createRequire(import.meta.url)

/** Asked by those who route and restart, or calls between our own apps, which have a span of their own. */
const untraced = /^\/(livez|readyz|metrics|calls\/)/

/**
 * Makes spans of what `node:http` serves and of what is asked through `pg`, and throws when that did not succeed. Both are loaded here, by `require`, which is
 * where instrumentations hook in: ES modules that import them, before or after, get the same objects. Hooks into the loading of ES modules would cost much more.
 */
export function instrument(tracerProvider: TracerProvider): void {
  const instrumentations = [
    new HttpInstrumentation({
      disableOutgoingRequestInstrumentation: true, // calls between apps have spans of their own, and third parties get no trace context
      ignoreIncomingRequestHook: ({ url = '' }) => untraced.test(url),
    }),
    new PgInstrumentation({
      requireParentSpan: true,
      ignoreConnectSpans: true,
      requestHook(span, { query, connection }) {
        span.updateName(describeStatement(query.text).summary)
        span.setAttributes({
          ...statementAttributes(query.text),
          ...(connection.database && { 'db.namespace': connection.database }),
        })
      },
    }),
  ]
  registerInstrumentations({ instrumentations, tracerProvider })
  for (const one of instrumentations) one.setMeterProvider({ getMeter: createNoopMeter }) // we measure both ourselves
  const missed = [
    missing('http', () => isWrapped(require('node:http').Server.prototype.emit)),
    missing('pg', () => isWrapped(require('pg').Client.prototype.query)),
    ...otherCopiesOfPg(),
  ].filter((problem) => problem !== undefined)
  if (missed.length > 0) throw new NotInstrumented(missed)
}

/** What would be lost in silence. */
export class NotInstrumented extends Error {
  override readonly name = 'NotInstrumented'

  constructor(missed: readonly string[]) {
    super(
      [
        'Telemetry would miss what this process does:',
        ...missed.map((problem) => `  ${problem}`),
        'It must be loaded before anything else: node --import @offshoot/telemetry/register …, and that --import the first.',
      ].join('\n'),
    )
  }
}

function missing(name: string, instrumented: () => boolean): string | undefined {
  try {
    return instrumented() ? undefined : `${name} is not instrumented`
  } catch (error) {
    return `${name} cannot be instrumented: ${(error as Error).message}`
  }
}

/** Copies of `pg` that were loaded before: what is loaded from here on is instrumented, whichever copy it is. */
function otherCopiesOfPg(): string[] {
  return Object.entries(require.cache)
    .filter(
      ([path, module]) => /[\\/]pg[\\/]lib[\\/]client\.js$/.test(path) && !isWrapped(module?.exports.prototype?.query),
    )
    .map(([path]) => `pg was loaded too early: ${path}`)
}
