import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer } from '@offshoot/data/server'

export interface TestServer {
  /** The administrator's. */
  url: string
  stop(): Promise<void>
}

/** The PostgreSQL that `TEST_DATABASE_URL` names, or an embedded one that forgets everything when it stops. */
export async function testServer(): Promise<TestServer> {
  const given = process.env.TEST_DATABASE_URL
  if (given) return { url: given, stop: async () => {} }
  const dataDir = await mkdtemp(join(tmpdir(), 'offshoot-test-'))
  const server = await startServer({ dataDir, durable: false })
  return {
    url: server.url,
    async stop() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
