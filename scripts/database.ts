/** The database that commands work on: the one that `DATABASE_URL` names, or the embedded one of this clone. */
import { join, resolve } from 'node:path'
import { type Environment, loadConfig, settings } from '@offshoot/config'
import { ensureServer, waitForDatabase } from '@offshoot/data/server'
import { z } from 'zod'

export const root = join(import.meta.dirname, '..')

const schema = z.object({
  DATA_DIR: z.string().default('.data').register(settings, { about: 'See the gateway’s settings.' }),
  DATABASE_URL: z.string().optional().register(settings, { about: 'See the gateway’s settings.', secret: true }),
})

export interface Database {
  /** The administrator's; undefined in production that serves without one. */
  url: string | undefined
  /** Stops what was started here. */
  stop(): Promise<void>
  /** Whether another process started the embedded server, and will stop it. */
  attached: boolean
}

/** Where this clone keeps its data. */
export function dataDirectory(env: Environment): string {
  return resolve(root, loadConfig(schema, env).DATA_DIR)
}

/** Waits for the database that is configured, or starts the embedded one (development), or attaches to it. */
export async function openDatabase(env: Environment, log: (line: string) => void): Promise<Database> {
  const { DATABASE_URL: url } = loadConfig(schema, env)
  const nothing = { attached: false, stop: async () => {} }
  if (url) {
    await waitForDatabase(url, { log })
    return { url, ...nothing }
  }
  if (env.NODE_ENV === 'production') return { url: undefined, ...nothing }
  return ensureServer({ dataDir: dataDirectory(env), log })
}
