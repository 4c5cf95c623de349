import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import { on } from './on.ts'
import { knownMethod, safePath } from './requests.ts'
import { endFailed, parentFrom, startSpan } from './spans.ts'

const require = createRequire(import.meta.url)

/** Asked by those who route and restart, or calls between our own apps, which have a span of their own. */
const untraced = /^\/(livez|readyz|metrics|calls\/)/

type Emit = (this: Server, event: string, ...args: unknown[]) => boolean

/**
 * Makes a span of each request that `node:http` serves, also in servers that are there already; says whether it does. The instrumentation of OpenTelemetry takes about 0.1 ms for it,
 * also to find what is not told here: addresses, agents, queries. Throws where `http` cannot be changed.
 */
export function traceRequests(trusted: boolean): boolean {
  const { prototype } = require('node:http').Server as { prototype: { emit: Emit } }
  const { emit } = prototype
  function traced(this: Server, event: string, ...args: unknown[]): boolean {
    if (event !== 'request' || !on.traces) return emit.call(this, event, ...args)
    const [request, response] = args as [IncomingMessage, ServerResponse]
    const serve = () => emit.call(this, event, request, response)
    if (untraced.test(request.url!)) return context.with(suppressTracing(ROOT_CONTEXT), serve)
    const { method, headers, url, httpVersion } = request
    const known = knownMethod(method)
    const parent = trusted ? parentFrom(headers.traceparent as string | undefined) : ROOT_CONTEXT
    const [, host, port] = /^(.+?)(?::(\d{1,5}))?$/.exec(headers.host ?? '') ?? []
    const span = startSpan('http.request', known, {
      parent,
      attributes: {
        'http.request.method': known,
        ...(known !== method && { 'http.request.method_original': method! }),
        'url.scheme': 'http',
        'url.path': safePath(url).slice(0, 500),
        ...(host && { 'server.address': host }),
        ...(port && { 'server.port': Number(port) }),
        'network.protocol.version': httpVersion,
      },
    })
    response.once('close', () => {
      const { statusCode } = response
      span.setAttribute('http.response.status_code', statusCode)
      if (statusCode >= 500) endFailed(span, String(statusCode))
      else span.end()
    })
    return context.with(trace.setSpan(parent, span), serve)
  }
  prototype.emit = traced
  return prototype.emit === traced
}
