import type { Message } from './envelope.ts'

/**
 * Carries messages from producers to consumers, and does nothing else: order, attempts, dead letters and history are the inboxes' and outboxes' business, so
 * that whatever a transport loses, delivers twice or mixes up does no harm.
 */
export interface Transport {
  /** What it is, as semantic conventions call it. */
  readonly system: 'postgresql' | 'nats'
  /**
   * Makes sure that there is a place for the events of a source. Where it had to be made, since there never was one or the transport has lost it, what was
   * published before is missing: `refill` is to publish it again, and is asked until it has resolved. Cheap to call before each round.
   */
  prepare(source: string, refill: () => Promise<void>): Promise<void>
  /** Resolves when all messages are kept safely for every consumer of the source. May be called again with the same messages. */
  publish(source: string, messages: readonly Message[]): Promise<void>
  /**
   * Delivers the messages of `sources` to `consumer` at least once: again until `receive` has resolved, to one process of the consumer or another. Messages of
   * one source usually come in the order in which they were published. Resolves when nothing published from now on can be missed.
   */
  subscribe(
    consumer: string,
    sources: readonly string[],
    receive: (messages: Message[]) => Promise<void>,
  ): Promise<Subscription>
  /** Rejects when nothing can be carried at the moment. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface Subscription {
  /** Resolves when no `receive` is running any more. */
  stop(): Promise<void>
}
