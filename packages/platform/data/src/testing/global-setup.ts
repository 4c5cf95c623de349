/**
 * Vitest's global set-up: one PostgreSQL server for the run. `TEST_DATABASE_URL` names one that runs already (the
 * administrator's URL); otherwise an embedded one that forgets everything is started, and stopped at the end.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEST_DATABASE_URL) return undefined
  const { url, stop } = await startTestServer()
  process.env.TEST_DATABASE_URL = url // Vitest's workers inherit it.
  return stop
}

/** Starts an embedded server whose data is deleted when it stops. */
export async function startTestServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const { startServer } = await import('../server/index.ts')
  const dataDir = await mkdtemp(join(tmpdir(), 'offshoot-test-'))
  const server = await startServer({ dataDir, durable: false })
  return {
    url: server.url,
    stop: async () => {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
