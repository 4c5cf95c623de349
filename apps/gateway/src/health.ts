import type { Flags } from '@offshoot/flags'
import type { Host } from '@offshoot/host'
import { type RequestHandler, Router } from 'express'

/**
 * `/livez` says that this process runs, and asks nobody; `/readyz` says whether it can serve, dependency by dependency. What is degraded is served without, and takes
 * nobody out of service: events that are not carried wait in the outbox, flags stay as they were known last.
 */
export function health(host: Pick<Host, 'health' | 'eventsHealth'>, flags: Pick<Flags, 'health'>): RequestHandler {
  const router = Router()
  router.get('/livez', (_, response) => {
    response.json({ status: 'live' })
  })
  router.get('/readyz', async (_, response) => {
    const [databases, events] = await Promise.all([host.health(), host.eventsHealth()])
    const ready = Object.values(databases).every((state) => state === 'up')
    const { server, status } = flags.health()
    const dependencies = {
      ...Object.fromEntries(Object.entries(databases).map(([domain, state]) => [`database:${domain}`, state])),
      ...(events && { events: events.carried ? 'up' : 'degraded' }),
      ...(server && { flags: status }),
    }
    response
      .status(ready ? 200 : 503)
      .json({ status: ready ? 'ready' : 'not ready', dependencies, ...(events && { outboxLagSeconds: events.lag }) })
  })
  return router
}
