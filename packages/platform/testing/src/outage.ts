import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a test and its database server, and can take the server away. */
export interface Outage {
  /** `url` by way of here. */
  through(url: string): string
  /** Breaks every connection and refuses new ones, as a server that is killed. */
  begin(): Promise<void>
  end(): Promise<void>
}

/** A way to the server of `serverUrl` that can be cut. */
export async function openOutage(serverUrl: string): Promise<Outage> {
  const { hostname, port } = new URL(serverUrl)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port || 5432), hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })

  async function listen(wanted: number): Promise<number> {
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }

  const here = await listen(0)
  return {
    through(url) {
      const way = new URL(url)
      way.hostname = '127.0.0.1'
      way.port = String(here)
      return way.href
    },
    async begin() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async end() {
      await listen(here)
    },
  }
}
