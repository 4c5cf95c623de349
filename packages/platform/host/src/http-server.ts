import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How long requests under way may take to finish when the server stops, in ms. */
const drainTime = 3_000

export interface HttpServer {
  port: number
  /** From now on requests are answered by `listener`; until then by 503. */
  serve(listener: RequestListener): void
  /** Takes no new connections, lets requests under way finish for 3 s, then ends what is left. */
  close(): Promise<void>
}

export interface ListenOptions {
  host: string
  port: number
  /** When the port is taken, take the next free one. */
  orNext?: boolean
  /** The setting that the port comes from. */
  setting?: string
}

/** Somebody else listens on that port. */
export class PortTakenError extends Error {
  constructor({ host, port, setting = 'PORT' }: ListenOptions, cause: unknown) {
    super(`Port ${port} on ${host} is taken. Stop what uses it, or set ${setting} to another one.`, { cause })
    this.name = 'PortTakenError'
  }
}

/** Listens before there is anything to serve, so that a port that is taken is known at once and the address of the product before the product is made. */
export async function listen(options: ListenOptions): Promise<HttpServer> {
  let listener: RequestListener = (_, response) => {
    response.writeHead(503, { 'retry-after': '1', 'content-type': 'text/plain' }).end('Starting.\n')
  }
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) =>
    listener(request, response),
  )
  server.keepAliveTimeout = 65_000 // longer than the usual 60 s of load balancers, so that it is they who close first

  for (let { port } = options; ; port++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, options.host, () => {
          server.off('error', reject)
          resolve()
        })
      })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      if (!options.orNext || port >= options.port + 100) throw new PortTakenError(options, error)
    }
  }

  return {
    port: (server.address() as AddressInfo).port,
    serve(next) {
      listener = next
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // Connections that are kept alive become idle when their request is done, and nothing else would end them.
      const sweep = setInterval(() => server.closeIdleConnections(), 20)
      const timer = setTimeout(() => server.closeAllConnections(), drainTime)
      await closed
      clearInterval(sweep)
      clearTimeout(timer)
    },
  }
}
