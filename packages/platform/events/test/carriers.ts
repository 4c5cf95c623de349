import { describe } from 'vitest'
import { natsIsInstalled, startNats } from './nats-server.ts'
import { type Carrier, overPostgres } from './shop.ts'

/** The same tests over PostgreSQL and over NATS. */
export function describeOverEachTransport(what: string, tests: (start: () => Promise<Carrier>) => void): void {
  describe(`${what}, over PostgreSQL`, () => tests(async () => overPostgres))
  const reason = natsIsInstalled ? '' : ' (skipped: nats-server is not installed)'
  describe.skipIf(!natsIsInstalled)(`${what}, over NATS${reason}`, () => tests(startNats))
}
