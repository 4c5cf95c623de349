import { Agent, type IncomingMessage, request as send } from 'node:http'
import { type IdentityToken, serviceUnavailable } from '@offshoot/rpc'
import type { Request, RequestHandler } from 'express'

/** Names the process that a request passed: its token vouches that it came in through the product's own edge. */
export const edgeTokenHeader = 'x-edge-token'

/** Headers of one hop (RFC 9110, 7.6.1), which are not passed on. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 60_000 })
/** How long a service may take to answer, in ms. */
const longest = 10_000

/**
 * Passes a request on to the service at `url`, and its answer back, as they are. Whom the request is from and what it asked for is told in X-Forwarded headers, as the
 * process in front of the service knows it: what the client itself says there counts only as far as that process trusts it.
 */
export function passOn(url: string, token: IdentityToken): RequestHandler {
  return (request, response, next) => {
    const passed = send(new URL(request.originalUrl, url), {
      method: request.method,
      agent,
      headers: {
        ...withoutHops(request),
        host: request.headers.host,
        'x-forwarded-for': request.ip,
        'x-forwarded-host': request.host,
        'x-forwarded-proto': request.protocol,
        [edgeTokenHeader]: String(token),
      },
    })
    const late = setTimeout(() => passed.destroy(new Error('The service did not answer in time.')), longest)
    passed.once('response', (answer) => {
      clearTimeout(late)
      response.status(answer.statusCode!)
      for (const [name, value] of Object.entries(withoutHops(answer))) response.setHeader(name, value!)
      answer.pipe(response)
    })
    passed.once('error', (error) => {
      clearTimeout(late)
      if (response.headersSent) response.destroy()
      else next(serviceUnavailable(error))
    })
    response.once('close', () => passed.destroy())
    request.pipe(passed)
  }
}

function withoutHops({ headers }: Request | IncomingMessage) {
  const named = new Set(
    String(headers.connection ?? '')
      .toLowerCase()
      .split(/\s*,\s*/),
  )
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) =>
        !hopByHop.has(name) && !named.has(name) && !name.startsWith('x-forwarded-') && name !== edgeTokenHeader,
    ),
  )
}
