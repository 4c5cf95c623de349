import { readEnvironment } from '@offshoot/config'
import { transport as carrier } from '@offshoot/data/migrate'
import type { Contract } from '@offshoot/rpc'
import { loadServiceConfig, root } from './config.ts'
import type { Domain } from './domain.ts'
import { listen } from './http-server.ts'
import { openSurroundings, runProcess } from './process.ts'
import { createService } from './service.ts'
import { readTopology, settingOf } from './topology.ts'

/**
 * Runs an app that hosts these domains behind the gateway. `contracts` are those of the whole product, where one of the domains must know every action that
 * there is.
 */
export async function runService(
  app: string,
  domains: readonly Domain[],
  contracts: readonly Contract[] = [],
): Promise<void> {
  await runProcess(async (onStop) => {
    const env = readEnvironment(root)
    const config = loadServiceConfig(env, [...domains.map(({ name }) => name), carrier])
    const url = new URL(
      env[settingOf(app)] || `http://127.0.0.1:${readTopology(config.topologyFile).apps[app]?.port ?? 0}`,
    )
    const server = await listen({
      host: config.production ? '0.0.0.0' : '127.0.0.1',
      port: config.internalPort ?? (Number(url.port) || 80),
      setting: 'INTERNAL_PORT',
    })
    onStop(() => server.close())
    const publicUrl = config.publicUrl ?? `http://localhost:${env.PORT || 4000}`
    const { options, close } = await openSurroundings(app, config, domains, publicUrl, contracts)
    const service = await createService({ ...options, domains })
    onStop(async () => {
      await service.stop()
      await close()
    })
    if (!config.production) await service.host.seed()
    server.serve(service.listener)
    return `http://127.0.0.1:${server.port}`
  })
}
