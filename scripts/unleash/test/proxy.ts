import { once } from 'node:events'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Stands before an Unleash server and can make it misbehave. */
export interface Bridge {
  /** What `UNLEASH_URL` is set to. */
  api: string
  /** What a question gets instead of the server's answer; undefined lets it through. */
  answer: ((response: ServerResponse) => void) | undefined
  /** How long the server's answer is kept back, in ms. */
  delay: number
  close(): Promise<void>
}

export async function openProxy(target: string): Promise<Bridge> {
  const timers = new Set<NodeJS.Timeout>()
  const server = createServer((incoming, response) => {
    if (proxy.answer) return proxy.answer(response)
    const timer = setTimeout(() => {
      const { method, headers } = incoming
      const outgoing = request(new URL(incoming.url!, target), { method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      outgoing.on('error', () => response.destroy())
      incoming.pipe(outgoing)
    }, proxy.delay)
    timers.add(timer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: Bridge = {
    api: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
    answer: undefined,
    delay: 0,
    async close() {
      for (const timer of timers) clearTimeout(timer)
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}
