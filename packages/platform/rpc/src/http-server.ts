import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { continuing } from '@offshoot/telemetry'
import type { IdentityTokens } from './identity.ts'
import { badInput, internal, Problem } from './problem.ts'
import type { CallServer } from './server.ts'
import { callsPath, largestBody, problemBody, statusOf, wireHeaders } from './wire.ts'

/**
 * Serves the calls of other processes. Nothing is read of a request, and nothing told, before its token is verified. The call ends when its caller is gone.
 */
export function callListener(servers: ReadonlyMap<string, CallServer>, tokens: IdentityTokens): RequestListener {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const [, contract = '', call = ''] = /^\/calls\/([\w.-]{1,100})\/(\w{1,100})$/.exec(request.url ?? '') ?? []
    const identity = tokens.verify(/^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '', contract)
    const server = servers.get(contract)
    if (!server || request.method !== 'POST')
      throw new Problem('NOT_FOUND', 'CALL_NOT_FOUND', `Nothing is served at ${request.method} ${callsPath}… here.`)
    const { [wireHeaders.requestId]: requestId, traceparent } = request.headers
    const budget = Number(request.headers[wireHeaders.budget])
    const token = tokens.mint(identity, contract, Date.now() + budget) // from here on within this process
    const gone = untilGone(response)
    const input = parse(await bodyOf(request))
    return continuing(traceparent as string | undefined, () =>
      server.handle(call, input, { token, budget, requestId: String(requestId) }, gone),
    )
  }

  return (request, response) => {
    answer(request, response)
      .then((output) => send(response, 200, JSON.stringify(output)))
      .catch((error) => {
        const problem = error instanceof Problem ? error : internal(error)
        send(response, statusOf[problem.code], problemBody(problem))
      })
  }
}

/** Aborted when whoever asked goes before the answer is complete. */
export function untilGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  return gone.signal
}

function send(response: ServerResponse, status: number, body: string): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw badInput('BAD_REQUEST', 'The input is not JSON.')
  }
}

/** Reads to the end also what is too large: a caller that is still sending would not hear the answer. */
function bodyOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let parts: Buffer[] = []
    let size = 0
    request.on('data', (part: Buffer) => {
      size += part.length
      if (size <= largestBody) parts.push(part)
      else parts = []
    })
    request.once('error', reject)
    request.once('end', () => {
      if (size <= largestBody) resolve(Buffer.concat(parts).toString())
      else reject(badInput('BODY_TOO_LARGE', `The input is larger than ${largestBody} bytes.`))
    })
  })
}
