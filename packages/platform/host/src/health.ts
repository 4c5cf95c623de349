import type { Flags } from '@offshoot/flags'
import { type RequestHandler, Router } from 'express'
import type { Host } from './app.ts'
import type { Elsewhere } from './elsewhere.ts'

/**
 * `/livez` says that this process runs, and asks nobody; `/readyz` says whether it can serve, dependency by dependency. What is degraded is served without, and takes
 * nobody out of service: events that are not carried wait in the outbox, flags stay as they were known last, and a domain in another process that does not answer takes its
 * own part of answers with it.
 */
export function health(
  host: Pick<Host, 'health' | 'eventsHealth'>,
  flags: Pick<Flags, 'health'>,
  elsewhere?: Pick<Elsewhere, 'health'>,
): RequestHandler {
  const router = Router()
  router.get('/livez', (_, response) => {
    response.json({ status: 'live' })
  })
  router.get('/readyz', async (_, response) => {
    const [databases, events, services] = await Promise.all([
      host.health(),
      host.eventsHealth(),
      elsewhere?.health() ?? {},
    ])
    const ready = Object.values(databases).every((state) => state === 'up')
    const { server, status } = flags.health()
    const dependencies = {
      ...Object.fromEntries(Object.entries(databases).map(([domain, state]) => [`database:${domain}`, state])),
      ...(events && { events: events.carried ? 'up' : 'degraded' }),
      ...(server && { flags: status }),
      ...Object.fromEntries(
        Object.entries(services).map(([app, state]) => [`service:${app}`, state === 'up' ? 'up' : 'degraded']),
      ),
    }
    response
      .status(ready ? 200 : 503)
      .json({ status: ready ? 'ready' : 'not ready', dependencies, ...(events && { outboxLagSeconds: events.lag }) })
  })
  return router
}
