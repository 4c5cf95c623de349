import { AsyncResource } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import type { RequestListener } from 'node:http'
import type { Flags } from '@offshoot/flags'
import { createGraphQLServer } from '@offshoot/graphql'
import {
  type Domain,
  type Elsewhere,
  gateway as gatewayApp,
  type Host,
  type HostOptions,
  health,
  hostedBy,
  insideListener,
  passOn,
  startDomains,
  together,
} from '@offshoot/host'
import type { Mailer } from '@offshoot/mail'
import { actionsOf, edge, Problem, serviceUnavailable, untilGone } from '@offshoot/rpc'
import { knownMethod, record, recordedSpan, safePath } from '@offshoot/telemetry'
import type { RecentTraces } from '@offshoot/telemetry/recent-traces'
import cors from 'cors'
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from 'express'
import helmet from 'helmet'
import type { Logger } from 'pino'
import { devPages } from './dev-pages.ts'
import { devTraces } from './dev-traces.ts'
import { homePage } from './home-page.ts'
import { publicSchema } from './public-schema.ts'
import { requestContexts } from './request-context.ts'

/** The largest body of a GraphQL request, in bytes. */
const largestBody = 256 * 1024

const graphqlPath = '/graphql'

export interface GatewayOptions {
  /** All that the product has, wherever they run. */
  domains: readonly Domain[]
  /** What other processes serve. Without it everything is here. */
  elsewhere?: Elsewhere
  /** What carries events between domains; without it they stay in the outbox. */
  events?: HostOptions['events']
  /** The URL of a domain's serving role. */
  databaseUrl(domain: string): string
  production: boolean
  /** Without a trailing slash. */
  publicUrl: string
  /** The pattern of tenants' host names, such as `{tenant}.localhost`. */
  tenantHost: string
  secret: string
  trustProxy: false | number | string[]
  corsOrigins: readonly string[]
  mailer: Mailer
  flags: Flags
  log: Logger
  /** The last traces, in development. */
  traces?: RecentTraces
  /** Told of every statement that is sent on behalf of a tenant; for tests. */
  onStatement?(sql: string, tenant: string): void
}

export interface Gateway {
  app: Express
  /** For other processes of the product: calls to the domains that are here, metrics, health. Not for the public. */
  inside: RequestListener
  host: Host
  stop(): Promise<void>
}

/** The public edge: starts the domains that it hosts, and puts them behind GraphQL and their own routes. */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { domains, elsewhere, production, publicUrl, secret, mailer, flags, log } = options
  const host = await startDomains({
    domains: hostedBy(elsewhere?.topology ?? together, gatewayApp, domains),
    elsewhere,
    databaseUrl: options.databaseUrl,
    events: options.events,
    platform: {
      secret,
      publicUrl,
      production,
      mailer,
      flags,
      log,
      actions: actionsOf(domains.map(({ contract }) => contract)),
    },
    onStatement: options.onStatement,
  })
  const contextOf = requestContexts({
    link: host.link,
    tokens: host.tokens,
    tenantHost: options.tenantHost,
    origins: [new URL(publicUrl).origin, ...options.corsOrigins],
  })
  const graphql = createGraphQLServer({
    schema: publicSchema(),
    path: graphqlPath,
    production,
    context: async (request) => {
      const { headers, hostname, host, id, span } = request as IdentifiedRequest
      const signal = untilGone((request as Request).res!)
      const context = await contextOf({ requestId: id, headers, hostname: hostname ?? '', host: host ?? '', signal })
      if (context.tenant) span?.setAttribute('tenant.id', context.tenant)
      return context
    },
    onUnexpected: (error, requestId) => log.error({ err: error, requestId }, 'a request failed unexpectedly'),
  })

  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('trust proxy', options.trustProxy)
  app.set('query parser', 'simple')
  const routes = [graphqlPath, '/', ...domains.flatMap(({ definition }) => definition.routes?.path ?? []), '/dev']
  app.use(identify, health(host, flags, elsewhere))
  app.use(observeRequests(routes, log))
  app.use(
    helmet({
      strictTransportSecurity: production,
      contentSecurityPolicy: { directives: { upgradeInsecureRequests: production ? [] : null } },
    }),
  )
  if (options.corsOrigins.length > 0) {
    app.use(
      cors({
        origin: [...options.corsOrigins],
        credentials: true,
        methods: ['GET', 'POST'],
        exposedHeaders: ['set-auth-token', 'x-request-id'],
      }),
    )
  }
  for (const { name, definition } of domains) {
    if (definition.routes) app.use(definition.routes.path, routesOf(name, host, elsewhere))
  }
  if (!production) app.get(graphqlPath, allowGraphiQL)
  app.all(graphqlPath, express.raw({ type: () => true, limit: largestBody }), refuseEmpty, graphql as RequestHandler)
  if (!production) app.use(devPages(mailer))
  if (!production && options.traces) app.use(devTraces(options.traces))
  app.use(homePage({ domains, elsewhere, production }))
  app.use((_, response) => {
    response
      .status(404)
      .json(errorBody('NOT_FOUND', 'ROUTE_NOT_FOUND', 'There is nothing here. The API is at POST /graphql.'))
  })
  app.use(answerError(log))

  return { app, inside: insideListener(host, health(host, flags)), host, stop: () => host.stop() }
}

/** A domain's own routes, wherever it runs at the time of the request. */
function routesOf(domain: string, host: Host, elsewhere: Elsewhere | undefined): RequestHandler {
  const here = host.routes.find((routes) => routes.domain === domain)?.router
  return (request, response, next) => {
    const url = elsewhere?.urlOf(domain)
    if (url) passOn(url, host.tokens.mint(edge, domain, Date.now() + 10_000))(request, response, next)
    else if (here) here(request, response, next)
    else next(serviceUnavailable())
  }
}

type IdentifiedRequest = Request & { id: string; span?: ReturnType<typeof recordedSpan> }

/** Every request has an id: the caller's (`x-request-id`), or a new one. The answer carries it, and so does every line that is logged for it. */
const identify: RequestHandler = (request, response, next) => {
  const given = request.headers['x-request-id']
  const id = typeof given === 'string' && /^[\w.-]{8,64}$/.test(given) ? given : randomUUID()
  ;(request as IdentifiedRequest).id = id
  response.setHeader('x-request-id', id)
  next()
}

/** Logs each request, names its span for its route, and measures it. What is below none of the `routes` has none: its path is anybody's. */
function observeRequests(routes: readonly string[], log: Logger): RequestHandler {
  return (request, response, next) => {
    const began = performance.now()
    const identified = request as IdentifiedRequest
    const { id } = identified
    const method = knownMethod(request.method)
    const route = routes.find(
      (route) => request.path === route || (route !== '/' && request.path.startsWith(`${route}/`)),
    )
    identified.span = recordedSpan()
    identified.span?.updateName(route ? `${method} ${route}` : method)
    identified.span?.setAttributes({ 'offshoot.request.id': id, ...(route && { 'http.route': route }) })
    const ended = AsyncResource.bind(() => {
      const ms = performance.now() - began
      const { statusCode } = response
      record('http.server.request.duration', ms / 1000, {
        'http.request.method': method,
        'http.response.status_code': statusCode,
        ...(route && { 'http.route': route }),
      })
      const path = safePath(request.originalUrl)
      log[statusCode >= 500 ? 'warn' : 'debug'](
        { requestId: id, method: request.method, path, status: statusCode, ms: Math.round(ms) },
        'request',
      )
    })
    response.once('close', ended)
    next()
  }
}

/** GraphiQL's page is one file with its script in it. */
const allowGraphiQL: RequestHandler = (_, response, next) => {
  response.setHeader(
    'content-security-policy',
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:",
  )
  next()
}

const refuseEmpty: RequestHandler = ({ method, body }, response, next) => {
  if (method !== 'POST' || (Buffer.isBuffer(body) && body.length > 0)) next()
  else
    response
      .status(400)
      .json(errorBody('BAD_USER_INPUT', 'BAD_REQUEST', 'The body is empty. Send JSON with a `query`.'))
}

const errorBody = (code: string, reason: string, message: string) => ({
  errors: [{ message, extensions: { code, reason } }],
})

/** What went wrong before or beside GraphQL, in the form of GraphQL's errors. */
function answerError(log: Logger): ErrorRequestHandler {
  return (error, request, response, next) => {
    if (response.headersSent) return next(error)
    const { status, type } = error as { status?: number; type?: string }
    if (status === 413)
      response
        .status(413)
        .json(errorBody('BAD_USER_INPUT', 'BODY_TOO_LARGE', `The body is larger than ${largestBody} bytes.`))
    else if (status && status < 500)
      response
        .status(status)
        .json(errorBody('BAD_USER_INPUT', 'BAD_REQUEST', `The request cannot be read (${type ?? status}).`))
    else if (error instanceof Problem && error.code === 'UNAVAILABLE')
      response
        .status(503)
        .set('retry-after', '1')
        .json(errorBody(error.code, error.reason, error.message))
    else {
      if (!(error instanceof Problem))
        log.error({ err: error, requestId: (request as IdentifiedRequest).id }, 'a request failed unexpectedly')
      response.status(500).json(errorBody('INTERNAL', 'UNEXPECTED', 'Something went wrong on our side.'))
    }
  }
}
