import type { DomainRuntime } from '@offshoot/host'
import { toNodeHandler } from 'better-auth/node'
import express, { type NextFunction, type Request, type Response, type Router } from 'express'
import { clientAddressHeader, createAuth } from './auth.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import { resetPage } from './reset-page.ts'

/** What of Better Auth can be reached. Everything else that it has, or comes to have, is not there. */
const reachable = new Set([
  'POST /sign-up/email',
  'POST /sign-in/email',
  'POST /sign-out',
  'GET /get-session',
  'GET /list-sessions',
  'POST /revoke-session',
  'POST /revoke-sessions',
  'POST /revoke-other-sessions',
  'POST /send-verification-email',
  'GET /verify-email',
  'POST /request-password-reset',
  'GET /reset-password/:token',
  'POST /reset-password/:token',
  'POST /reset-password',
  'POST /change-password',
  'POST /update-user',
])

/** The routes below `/api/auth`, by which people sign up and in. */
export function authRoutes({ platform, global }: DomainRuntime<PrismaClient>): Router {
  const auth = createAuth(platform, global)
  const handle = toNodeHandler(auth)
  const router = express.Router()
  router.use(onlyReachable, resetPage(auth), onlyJson, express.json({ limit: '16kb' }), prepare)
  router.all('/*splat', (request, response) => handle(request, response))
  router.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error)
    const { status, code, message } = explain(error)
    if (status >= 500)
      platform.log.error({ err: error, part: 'better-auth' }, 'an authentication request failed unexpectedly')
    response.status(status).json({ code, message })
  })
  return router
}

function explain(error: unknown): { status: number; code: string; message: string } {
  const { code, type } = error as { code?: unknown; type?: unknown }
  if (type === 'entity.too.large') return { status: 413, code: 'BODY_TOO_LARGE', message: 'The body is too large.' }
  if (type !== undefined) return { status: 400, code: 'MALFORMED_BODY', message: 'The body is not valid JSON.' }
  if (code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED') {
    return { status: 503, code: 'UNAVAILABLE', message: 'Signing in is not available at the moment. Try again.' }
  }
  return { status: 500, code: 'INTERNAL', message: 'Something went wrong on our side.' }
}

function onlyJson(request: Request, response: Response, next: NextFunction): void {
  if (request.headers['content-length'] === '0' || request.is('application/json') !== false) next()
  else response.status(415).json({ code: 'UNSUPPORTED_MEDIA_TYPE', message: 'Send application/json.' })
}

function onlyReachable({ method, path }: Request, response: Response, next: NextFunction): void {
  const pattern = path.replace(/^\/reset-password\/[\w-]+$/, '/reset-password/:token')
  if (reachable.has(`${method} ${pattern}`)) next()
  else response.status(404).json({ code: 'NOT_FOUND', message: 'There is nothing here.' })
}

function prepare(request: Request, _response: Response, next: NextFunction): void {
  const { headers } = request
  headers[clientAddressHeader] = request.ip
  // Without a cookie there is nothing to forge, and a browser names its origin: what comes without both is a program. Some of them
  // send Sec-Fetch-Mode all the same, at which Better Auth would ask for an Origin.
  if (!headers.cookie && !headers.origin && !headers.referer) {
    for (const name of ['sec-fetch-site', 'sec-fetch-mode', 'sec-fetch-dest']) delete headers[name]
  }
  next()
}
