import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A free port for a server that a test stops and starts again: none that others get meanwhile. Servers of other tests take the first
 * that is free from 5433 on, and the system gives out those from 32768 on.
 */
export async function portToKeep(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const probe = createServer().listen(port, '127.0.0.1')
    const free = await once(probe, 'listening').then(
      () => true,
      () => false,
    )
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}
