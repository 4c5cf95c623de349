import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Signal = 'traces' | 'metrics' | 'logs'

/** A collector, which takes OTLP over HTTP. */
export interface Receiver {
  url: string
  /** What it was sent, as bytes in which each character is one. */
  received(signal?: Signal): string
  /** Headers of the requests. */
  headers: NodeJS.Dict<string | string[]>[]
  close(): Promise<void>
}

/** `answer` is the status, after `delay` ms. On `port` where one is given. */
export async function openReceiver({ answer = 200, delay = 0, port = 0 } = {}): Promise<Receiver> {
  const bodies: { signal: string; body: string }[] = []
  const headers: Receiver['headers'] = []
  const server: Server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    bodies.push({ signal: request.url!.replace('/v1/', ''), body: Buffer.concat(parts).toString('latin1') })
    headers.push(request.headers)
    setTimeout(() => response.writeHead(answer).end(), delay).unref()
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    headers,
    received: (wanted) =>
      bodies
        .filter(({ signal }) => !wanted || signal === wanted)
        .map(({ body }) => body)
        .join('\n'),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
