/** The gateway with all domains in it. Told `directly`, it calls their use cases without contracts. */
import { readEnvironment } from '@offshoot/config'
import { createGateway } from '@offshoot/gateway'
import { loadGatewayConfig } from '@offshoot/gateway/config'
import { databases, domains } from '@offshoot/gateway/domains'
import { listen } from '@offshoot/host'
import { root } from '@offshoot/host/config'
import { openSurroundings, runProcess } from '@offshoot/host/process'
import { openDirect } from './direct-link.ts'

await runProcess(async (onStop) => {
  const config = loadGatewayConfig(readEnvironment(root), databases)
  const server = await listen({ host: config.host, port: 0 })
  onStop(() => server.close())
  const publicUrl = `http://127.0.0.1:${server.port}`
  const { options, close } = await openSurroundings('gateway', config, domains, publicUrl)
  const { elsewhere, databaseUrl, platform } = options
  const direct = process.argv[2] === 'directly' ? await openDirect(databaseUrl, platform) : undefined
  const gateway = await createGateway({
    ...config,
    ...platform,
    domains,
    elsewhere: direct ? { ...elsewhere, link: () => direct.link } : elsewhere,
    databaseUrl,
    publicUrl,
  })
  onStop(async () => {
    await gateway.stop()
    await direct?.close()
    await close()
  })
  server.serve(gateway.app)
  return publicUrl
})
