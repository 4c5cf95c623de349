import { type AddressInfo, connect, createServer } from 'node:net'

/** Stands between lanes and the database. */
export interface DatabaseProxy {
  url: string
  /** Changes what clients send. */
  rewrite: ((fromClient: Buffer) => Buffer) | undefined
  /** How often clients sent something after the database had answered. */
  roundTrips: number
  /** Passes nothing on, for connections that are open now as well. */
  silent: boolean
  /** How long a connection that begins takes until anything is passed on, in ms. */
  delay: number
  /** Connections that have begun. */
  begun: number
  /** Connections that have ended. */
  ended: number
  close(): void
}

export async function startProxy(target: URL): Promise<DatabaseProxy> {
  const server = createServer((client) => {
    proxy.begun++
    const upstream = connect(Number(target.port || 5432), target.hostname)
    let answered = true
    client.on('data', (chunk) => {
      if (proxy.silent) return
      if (answered) proxy.roundTrips++
      answered = false
      upstream.write(proxy.rewrite ? proxy.rewrite(chunk) : chunk)
    })
    upstream.on('data', (chunk) => {
      answered = true
      client.write(chunk)
    })
    client.on('close', () => {
      proxy.ended++
      upstream.destroy()
    })
    upstream.on('close', () => client.destroy())
    client.on('error', () => {})
    upstream.on('error', () => {})
    if (proxy.delay > 0) {
      client.pause()
      setTimeout(() => client.resume(), proxy.delay)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(target)
  url.port = String((server.address() as AddressInfo).port)
  const proxy: DatabaseProxy = {
    url: url.href,
    rewrite: undefined,
    roundTrips: 0,
    silent: false,
    delay: 0,
    begun: 0,
    ended: 0,
    close: () => server.close(),
  }
  return proxy
}
