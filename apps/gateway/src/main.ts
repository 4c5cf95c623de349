/** The gateway's process. Stops on SIGTERM, SIGINT, and when the process that started it with an IPC channel is gone. */
import { join, resolve } from 'node:path'
import { ConfigError, readEnvironment } from '@offshoot/config'
import { transport as carrier } from '@offshoot/data/migrate'
import { ServerError, waitForDatabase } from '@offshoot/data/server'
import { natsTransport, postgresTransport } from '@offshoot/events/runtime'
import { flagRegistry, startFlags } from '@offshoot/flags/runtime'
import { createLogger, listen, PortTakenError } from '@offshoot/host'
import { catchingMailer, smtpMailer } from '@offshoot/mail'
import { Problem } from '@offshoot/rpc'
import { createGateway } from './app.ts'
import { loadGatewayConfig } from './config.ts'
import { databases, domains } from './domains.ts'

const root = join(import.meta.dirname, '../../..')

async function main(): Promise<void> {
  const config = loadGatewayConfig(readEnvironment(root), databases)
  const { production, host, port, portAsked } = config
  const log = createLogger({ level: config.logLevel, production })

  const server = await listen({ host, port, orNext: !portAsked })
  const publicUrl = config.publicUrl ?? `http://localhost:${server.port}`
  let stopGateway = async () => {}
  let stopping = false
  const stop = async () => {
    if (stopping) return
    stopping = true
    await server.close()
    await stopGateway()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  process.on('disconnect', stop)

  const urls = new Set(databases.map((name) => config.databaseUrl(name)))
  await Promise.all([...urls].map((url) => waitForDatabase(url, { log: (line) => log.warn(line) })))
  if (production && !config.smtpUrl) log.warn('SMTP_URL is not set: no mail leaves this process')

  const flags = startFlags({
    registry: flagRegistry(domains),
    server: config.unleash && { ...config.unleash, backup: resolve(root, config.dataDir, 'flags.json') },
    environment: config.flagsEnvironment,
    log,
  })
  const onTrouble = (error: unknown) => error && log.warn({ err: error }, 'events are not carried at the moment')
  const transport = config.natsUrl
    ? await natsTransport({ url: config.natsUrl, onTrouble })
    : postgresTransport({ url: config.databaseUrl(carrier), onTrouble })
  const gateway = await createGateway({
    ...config,
    events: {
      transport,
      systemUrl: (domain) => config.systemUrl(domain),
      clockUrl: config.databaseUrl(carrier),
      keepDays: config.eventsKeepDays,
    },
    domains,
    publicUrl,
    secret: config.appSecret,
    mailer: config.smtpUrl ? smtpMailer(config.smtpUrl, config.mailFrom) : catchingMailer(config.mailFrom),
    flags,
    log,
  })
  stopGateway = async () => {
    await gateway.stop()
    await transport.close()
    flags.stop()
  }
  if (!production) await gateway.host.seed()
  server.serve(gateway.app)

  const url = `http://localhost:${server.port}`
  if (process.send) process.send({ type: 'ready', url })
  else process.stdout.write(`ready ${url}\n`)
}

main().catch((error) => {
  const expected =
    error instanceof ConfigError ||
    error instanceof ServerError ||
    error instanceof PortTakenError ||
    error instanceof Problem
  console.error(expected ? error.message : error)
  process.exit(1)
})
