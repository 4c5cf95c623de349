import { once } from 'node:events'
import { createServer } from 'node:net'

/** The first port from `port` on that nobody listens on, on this machine's own address, and that is not among `taken`. */
export async function freePort(port: number, taken: readonly number[]): Promise<number> {
  for (; ; port++) {
    if (taken.includes(port)) continue
    const probe = createServer().listen(port, '127.0.0.1')
    const free = await once(probe, 'listening').then(
      () => true,
      () => false,
    )
    if (!free) continue
    probe.close()
    return port
  }
}
