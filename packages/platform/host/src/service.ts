import type { RequestListener } from 'node:http'
import { callsPath } from '@offshoot/rpc'
import { runningTelemetry } from '@offshoot/telemetry'
import express, { type RequestHandler, Router } from 'express'
import { type Host, type HostOptions, startDomains } from './app.ts'
import { health } from './health.ts'
import { edgeTokenHeader } from './proxy.ts'

export interface Service {
  listener: RequestListener
  host: Host
  stop(): Promise<void>
}

/**
 * Domains in a process of their own, behind the gateway: serves their calls, and their own HTTP routes as far as the gateway passes requests on. Nobody else is served.
 */
export async function createService(options: HostOptions): Promise<Service> {
  const host = await startDomains(options)
  const routes = Router()
  for (const { domain, path, router } of host.routes) routes.use(path, onlyFromTheEdge(host, domain), router)
  return {
    listener: insideListener(host, health(host, options.platform.flags), routes),
    host,
    stop: () => host.stop(),
  }
}

/** What a process serves to the others of the product: calls, its metrics, its health, and whatever else is handed in. */
export function insideListener(host: Host, ...handlers: RequestHandler[]): RequestListener {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('trust proxy', 1) // the gateway, which shows a token
  app.get('/metrics', (request, response, next) => {
    const metrics = runningTelemetry()?.metrics
    if (metrics) metrics(request, response)
    else next()
  })
  if (handlers.length > 0) app.use(...handlers)
  app.use((_, response) => {
    response.status(404).json({ code: 'NOT_FOUND', reason: 'ROUTE_NOT_FOUND', message: 'There is nothing here.' })
  })
  return (request, response) => (request.url?.startsWith(callsPath) ? host.calls : app)(request, response)
}

function onlyFromTheEdge({ tokens }: Host, domain: string): RequestHandler {
  return (request, response, next) => {
    try {
      const { actor } = tokens.verify(String(request.headers[edgeTokenHeader] ?? ''), domain)
      if (actor.kind === 'edge') return next()
    } catch {}
    response.status(401).json({ code: 'UNAUTHENTICATED', reason: 'BAD_INTERNAL_TOKEN', message: 'Ask the gateway.' })
  }
}
