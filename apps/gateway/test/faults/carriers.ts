import { describe } from 'vitest'
import { type NatsServer, natsIsInstalled, startNats } from '../../../../packages/platform/events/test/nats-server.ts'

/** The same tests with PostgreSQL carrying the events, and with NATS. */
export function describeOverEachTransport(
  what: string,
  tests: (start: () => Promise<NatsServer | undefined>, carrier: 'PostgreSQL' | 'NATS') => void,
): void {
  describe(`${what}, over PostgreSQL`, () => tests(async () => undefined, 'PostgreSQL'))
  describeOverNats(what, (start) => tests(start, 'NATS'))
}

export function describeOverNats(what: string, tests: (start: () => Promise<NatsServer>) => void): void {
  const reason = natsIsInstalled ? '' : ' (skipped: nats-server is not installed)'
  describe.skipIf(!natsIsInstalled)(`${what}, over NATS${reason}`, () => tests(startNats))
}
