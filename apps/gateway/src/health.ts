import type { Host } from '@offshoot/host'
import { type RequestHandler, Router } from 'express'

/**
 * `/livez` says that this process runs, and asks nobody; `/readyz` says whether it can serve, dependency by dependency. While events are not carried it serves all
 * the same: they wait in the outbox.
 */
export function health(host: Pick<Host, 'health' | 'eventsHealth'>): RequestHandler {
  const router = Router()
  router.get('/livez', (_, response) => {
    response.json({ status: 'live' })
  })
  router.get('/readyz', async (_, response) => {
    const [databases, events] = await Promise.all([host.health(), host.eventsHealth()])
    const ready = Object.values(databases).every((state) => state === 'up')
    const dependencies = {
      ...Object.fromEntries(Object.entries(databases).map(([domain, state]) => [`database:${domain}`, state])),
      ...(events && { events: events.carried ? 'up' : 'degraded' }),
    }
    response
      .status(ready ? 200 : 503)
      .json({ status: ready ? 'ready' : 'not ready', dependencies, ...(events && { outboxLagSeconds: events.lag }) })
  })
  return router
}
