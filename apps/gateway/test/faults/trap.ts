import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A moment in the conversation of a process with a server. */
export interface Moment {
  /** In what the process says. */
  said: RegExp
  /** In what the server answers to it; without it the moment is just before the server hears what was said. */
  answered?: RegExp
}

/** Stands between a process and a server. */
export interface Trap {
  port: number
  /** When the moment comes, does `what` instead of passing it on. Once. */
  at(moment: Moment, what: () => void): void
  close(): Promise<void>
}

/** A way to the server of `url`. */
export async function openTrap(url: string): Promise<Trap> {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  let waiting: { moment: Moment; what: () => void } | undefined

  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    /** The answer that this connection waits for. */
    let answer: { expected: RegExp; what: () => void } | undefined
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
    }
    function spring(what: () => void): void {
      what()
      near.destroy()
      far.destroy()
    }
    near.on('data', (chunk) => {
      if (waiting?.moment.said.test(chunk.toString('latin1'))) {
        const { moment, what } = waiting
        waiting = undefined
        if (!moment.answered) return spring(what)
        answer = { expected: moment.answered, what }
      }
      far.write(chunk)
    })
    far.on('data', (chunk) => {
      if (answer?.expected.test(chunk.toString('latin1'))) spring(answer.what)
      else near.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    at(moment, what) {
      waiting = { moment, what }
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
