import { createRequire } from 'node:module'
import { createNoopMeter } from '@opentelemetry/api'
import { isWrapped, registerInstrumentations } from '@opentelemetry/instrumentation'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import type { TracerProvider } from '@opentelemetry/sdk-trace'
import { describeStatement } from './statement.ts'
import { traceRequests } from './traced-requests.ts'

const require = createRequire(import.meta.url)

/**
 * Makes spans of what `node:http` serves and of what is asked through `pg`, and throws when that did not succeed. `pg` is loaded here, by `require`, which is where its
 * instrumentation hooks in: ES modules that import it, before or after, get the same object. Hooks into the loading of ES modules would cost much more. `trusted`: a request may say
 * which trace it is a part of.
 */
export function instrument(tracerProvider: TracerProvider, trusted: boolean): void {
  const statements = new PgInstrumentation({
    requireParentSpan: true,
    ignoreConnectSpans: true,
    requestHook(span, { query, connection }) {
      const { summary, attributes } = describeStatement(query.text)
      span.updateName(summary).setAttributes(attributes)
      if (connection.database) span.setAttribute('db.namespace', connection.database)
    },
  })
  registerInstrumentations({ instrumentations: [statements], tracerProvider })
  statements.setMeterProvider({ getMeter: createNoopMeter }) // we measure them ourselves
  const missed = [
    missing('http', () => traceRequests(trusted)),
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
