import { resolve } from 'node:path'
import { ConfigError } from '@offshoot/config'
import { transport as carrier } from '@offshoot/data/migrate'
import { ServerError, waitForDatabase } from '@offshoot/data/server'
import { natsTransport, postgresTransport } from '@offshoot/events/runtime'
import { flagRegistry, startFlags } from '@offshoot/flags/runtime'
import { catchingMailer, smtpMailer } from '@offshoot/mail'
import { actionsOf, type Contract, Problem } from '@offshoot/rpc'
import { runningTelemetry } from '@offshoot/telemetry'
import type { HostOptions } from './app.ts'
import { type ProcessConfig, root } from './config.ts'
import type { Domain } from './domain.ts'
import { openElsewhere } from './elsewhere.ts'
import { PortTakenError } from './http-server.ts'
import { createLogger } from './logger.ts'
import { gateway, gatewayPort, settingOf, type Topology, TopologyError } from './topology.ts'

export interface Surroundings {
  /** All that a host of these domains needs, but for the domains themselves. */
  options: Required<Pick<HostOptions, 'databaseUrl' | 'platform' | 'elsewhere'>> & Pick<HostOptions, 'events'>
  close(): Promise<void>
}

/**
 * What surrounds the domains in a process of the product: the log, flags, mail, what carries events, the other apps. Waits until the databases answer. `known` are all domains
 * whose flags and actions count here; of `others` the actions alone.
 */
export async function openSurroundings(
  app: string,
  config: ProcessConfig,
  known: readonly Domain[],
  publicUrl: string,
  others: readonly Contract[] = [],
): Promise<Surroundings> {
  const { production } = config
  const log = createLogger({ level: config.logLevel, production })
  const urls = new Set([...known.map(({ name }) => name), carrier].map((name) => config.databaseUrl(name)))
  await Promise.all([...urls].map((url) => waitForDatabase(url, { log: (line) => log.warn(line) })))
  if (production && !config.smtpUrl) log.warn('SMTP_URL is not set: no mail leaves this process')

  const urlOf = (other: string, topology: Topology) =>
    process.env[settingOf(other)] || (production ? undefined : developmentUrl(other, topology))
  const elsewhere = openElsewhere({
    app,
    file: config.topologyFile,
    urlOf,
    onUnexpected: (error, { name, requestId, code }) =>
      log.warn({ err: error, call: name, requestId, code }, 'a call to another app failed unexpectedly'),
    onTrouble: (error) => log.error({ err: error }, 'the topology cannot be used; the last one holds'),
  })
  const homeless = [gateway, ...Object.keys(elsewhere.topology.apps)].filter(
    (other) => other !== app && Object.keys(elsewhere.topology.apps).length > 0 && !urlOf(other, elsewhere.topology),
  )
  if (homeless.length > 0)
    throw new ConfigError(
      homeless.map((other) => `${settingOf(other)}: must be set: the topology has an app ${other}, which calls go to`),
    )
  const flags = startFlags({
    registry: flagRegistry(known),
    server: config.unleash && { ...config.unleash, backup: resolve(root, config.dataDir, 'flags.json') },
    environment: config.flagsEnvironment,
    log,
  })
  const onTrouble = (error: unknown) => error && log.warn({ err: error }, 'events are not carried at the moment')
  const transport =
    config.role === 'http'
      ? undefined
      : config.natsUrl
        ? await natsTransport({ url: config.natsUrl, onTrouble })
        : postgresTransport({ url: config.databaseUrl(carrier), onTrouble })

  return {
    options: {
      databaseUrl: (domain) => config.databaseUrl(domain),
      events: {
        transport,
        systemUrl: (domain) => config.systemUrl(domain),
        clockUrl: config.databaseUrl(carrier),
        keepDays: config.eventsKeepDays,
      },
      elsewhere,
      platform: {
        secret: config.appSecret,
        publicUrl,
        production,
        mailer: config.smtpUrl ? smtpMailer(config.smtpUrl, config.mailFrom) : catchingMailer(config.mailFrom),
        flags,
        actions: actionsOf([...others, ...known.map(({ contract }) => contract)]),
        log,
      },
    },
    async close() {
      await transport?.close()
      await elsewhere.close()
      flags.stop()
    },
  }
}

function developmentUrl(app: string, { apps }: Topology): string | undefined {
  const port = app === gateway ? gatewayPort : apps[app]?.port
  return port === undefined ? undefined : `http://127.0.0.1:${port}`
}

/**
 * Runs a process to its end: `start` makes it serve, says where, and how it is stopped. Stops on SIGTERM, SIGINT, and when the process that started it with an IPC
 * channel is gone; who started it may add to its environment. What is wrong with the settings or the surroundings is said in a sentence, and the exit code is 1.
 */
export async function runProcess(
  start: (onStop: (stop: () => Promise<void>) => void) => Promise<string>,
): Promise<void> {
  const stops: (() => Promise<void>)[] = []
  let stopping = false
  const stop = async () => {
    if (stopping) return
    stopping = true
    for (const step of stops) await step()
    await runningTelemetry()?.shutdown()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  process.on('disconnect', stop)
  process.on('message', (message: { type?: string; env?: NodeJS.ProcessEnv }) => {
    if (message.type === 'environment') Object.assign(process.env, message.env)
  })
  try {
    const url = await start((step) => stops.push(step))
    if (process.send) process.send({ type: 'ready', url })
    else process.stdout.write(`ready ${url}\n`)
  } catch (error) {
    const expected = [ConfigError, ServerError, PortTakenError, TopologyError, Problem].some(
      (kind) => error instanceof kind,
    )
    console.error(expected ? (error as Error).message : error)
    process.exit(1)
  }
}
