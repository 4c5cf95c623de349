import type { DomainRuntime } from '@offshoot/host'
import { toNodeHandler } from 'better-auth/node'
import express, { type NextFunction, type Request, type Response, type Router } from 'express'
import { clientAddressHeader, createAuth } from './auth.ts'
import type { PrismaClient } from './generated/prisma/client.ts'

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
  'POST /reset-password',
  'POST /change-password',
  'POST /update-user',
])

/** The routes below `/api/auth`, by which people sign up and in. */
export function authRoutes({ platform, global }: DomainRuntime<PrismaClient>): Router {
  const handle = toNodeHandler(createAuth(platform, global))
  const router = express.Router()
  router.use(onlyReachable, express.json({ limit: '16kb' }), prepare)
  router.all('/*splat', (request, response) => handle(request, response))
  return router
}

function onlyReachable({ method, path }: Request, response: Response, next: NextFunction): void {
  const pattern = path.replace(/^\/reset-password\/[\w-]+$/, '/reset-password/:token')
  if (reachable.has(`${method} ${pattern}`)) next()
  else response.status(404).json({ code: 'NOT_FOUND', message: 'There is nothing here.' })
}

function prepare(request: Request, response: Response, next: NextFunction): void {
  const { headers } = request
  headers[clientAddressHeader] = request.ip
  if (request.method === 'POST' && headers['content-type'] && !request.is('application/json')) {
    response.status(415).json({ code: 'UNSUPPORTED_MEDIA_TYPE', message: 'Send application/json.' })
    return
  }
  // Without a cookie there is nothing to forge, and a browser names its origin: what comes without both is a program. Some of them
  // send Sec-Fetch-Mode all the same, at which Better Auth would ask for an Origin.
  if (!headers.cookie && !headers.origin && !headers.referer) {
    for (const name of ['sec-fetch-site', 'sec-fetch-mode', 'sec-fetch-dest']) delete headers[name]
  }
  next()
}
