import type { Flags } from '@offshoot/flags'
import { type RequestHandler, Router } from 'express'
import type { Host } from './app.ts'
import type { Elsewhere, Readiness } from './elsewhere.ts'

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
    const { server, status } = flags.health()
    const own: Readiness = {
      status: Object.values(databases).every((state) => state === 'up') ? 'ready' : 'not ready',
      dependencies: {
        ...Object.fromEntries(Object.entries(databases).map(([domain, state]) => [`database:${domain}`, state])),
        ...(events && { events: events.carried ? 'up' : 'degraded' }),
        ...(server && { flags: status }),
      },
      ...(events && { outboxLagSeconds: events.lag }),
    }
    response.status(own.status === 'ready' ? 200 : 503).json(withServices(own, services))
  })
  return router
}

/** The same with what the other processes say: one picture, however the product is divided. */
function withServices(own: Readiness, services: Record<string, Readiness | undefined>): Readiness {
  const all = structuredClone(own)
  for (const [app, said] of Object.entries(services)) {
    if (!said) {
      all.dependencies[`service:${app}`] = 'degraded'
      continue
    }
    for (const [name, state] of Object.entries(said.dependencies)) {
      const worst = [all.dependencies[name], state].find((one) => one !== undefined && one !== 'up') ?? 'up'
      all.dependencies[name] = name in own.dependencies || worst === 'up' ? worst : 'degraded'
    }
    if (said.outboxLagSeconds) all.outboxLagSeconds = { ...all.outboxLagSeconds, ...said.outboxLagSeconds }
  }
  return all
}
