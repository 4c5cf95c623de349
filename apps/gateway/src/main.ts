/** The gateway's process. */
import { readEnvironment } from '@offshoot/config'
import { gatewayPort, listen } from '@offshoot/host'
import { root } from '@offshoot/host/config'
import { openSurroundings, runProcess } from '@offshoot/host/process'
import { runningTelemetry } from '@offshoot/telemetry'
import { createGateway } from './app.ts'
import { loadGatewayConfig } from './config.ts'
import { databases, domains } from './domains.ts'

await runProcess(async (onStop) => {
  const config = loadGatewayConfig(readEnvironment(root), databases)
  const { production, host } = config
  const server = await listen({ host, port: config.port, orNext: !config.portAsked })
  onStop(() => server.close())
  const inside =
    config.internalPort || !production
      ? await listen({
          host,
          port: config.internalPort ?? gatewayPort,
          orNext: !config.internalPort,
          setting: 'INTERNAL_PORT',
        })
      : undefined
  onStop(async () => inside?.close())

  const publicUrl = config.publicUrl ?? `http://localhost:${server.port}`
  const { options, close } = await openSurroundings('gateway', config, domains, publicUrl)
  const { elsewhere, databaseUrl, events, platform } = options
  const gateway = await createGateway({
    ...config,
    ...platform,
    domains,
    elsewhere,
    databaseUrl,
    events,
    publicUrl,
    traces: runningTelemetry()?.recentTraces,
  })
  onStop(async () => {
    await gateway.stop()
    await close()
  })
  if (!production) await gateway.host.seed()
  server.serve(config.role === 'worker' ? gateway.inside : gateway.app)
  inside?.serve(gateway.inside)
  return `http://localhost:${server.port}`
})
