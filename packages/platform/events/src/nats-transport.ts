import {
  AckPolicy,
  type Consumer,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import { connect, headers, type NatsConnection, nanos } from '@nats-io/transport-node'
import type { Message } from './envelope.ts'
import { type Loop, startLoop } from './loop.ts'
import { type Transport, TransportLostError } from './transport.ts'

export interface NatsTransportOptions {
  /** `nats://user:password@host:4222`, several with commas. */
  url: string
  onTrouble(error: unknown | undefined): void
  /** Keeps the streams of several installations on one server apart. Default `offshoot`. */
  prefix?: string
}

/** JetStream's codes (nats-server, server/errors.json): there is no such stream, no such consumer. */
const noStream = 10059
const noConsumer = 10014

const batch = 500
const day = 24 * 60 * 60_000

/**
 * Messages in NATS JetStream: a stream for each source, a durable pull consumer for each consuming domain. Whoever needs a stream makes it. The client reconnects
 * by itself, for ever; meanwhile publishing fails and is tried again, since the outbox keeps everything.
 */
export async function natsTransport({ url, onTrouble, prefix = 'offshoot' }: NatsTransportOptions): Promise<Transport> {
  const connection = await connect({
    servers: url.split(','),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    waitOnFirstConnect: true,
    ignoreAuthErrorAbort: true,
    timeout: 5_000,
  })
  const streams = jetstream(connection, { timeout: 5_000 })
  const manager = await jetstreamManager(connection, { timeout: 5_000, checkAPI: false })
  const subjectOf = (source: string) => `${prefix}.${source}`
  const streamOf = (source: string) => `${prefix}_${source}`

  async function prepare(source: string): Promise<'new' | 'known'> {
    try {
      await manager.streams.info(streamOf(source))
      return 'known'
    } catch (error) {
      if (!isCode(error, noStream)) throw error
    }
    await manager.streams.add({
      name: streamOf(source),
      subjects: [subjectOf(source)],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(7 * day),
      duplicate_window: nanos(2 * 60_000),
    })
    return 'new'
  }

  return {
    prepare,

    async publish(source, messages) {
      try {
        await Promise.all(
          messages.map(({ id, tenant, body, signature }) => {
            const head = headers()
            head.set('Offshoot-Id', id)
            head.set('Offshoot-Tenant', tenant)
            head.set('Offshoot-Signature', signature)
            return streams.publish(subjectOf(source), body, { msgID: id, headers: head, timeout: 5_000 })
          }),
        )
      } catch (error) {
        // Without a stream nobody answers on the subject.
        const known = await manager.streams.info(streamOf(source)).then(
          () => true,
          (reason) => !isCode(reason, noStream),
        )
        throw known ? error : new TransportLostError(source, error)
      }
    },

    async subscribe(consumer, sources, receive) {
      const loops: Loop[] = []
      for (const source of sources) {
        await prepare(source)
        await ensureConsumer(manager, streamOf(source), consumer)
        loops.push(
          startLoop({
            idle: 0,
            onTrouble,
            async work(signal) {
              await receiveSome(
                connection,
                manager,
                () => streams.consumers.get(streamOf(source), consumer),
                receive,
                signal,
                async () => {
                  await prepare(source)
                  await ensureConsumer(manager, streamOf(source), consumer)
                },
              )
              return true
            },
          }),
        )
      }
      return {
        async stop() {
          await Promise.all(loops.map((loop) => loop.stop()))
        },
      }
    },

    close: () => connection.close(),
  }
}

async function ensureConsumer(manager: JetStreamManager, stream: string, consumer: string): Promise<void> {
  try {
    await manager.consumers.info(stream, consumer)
  } catch (error) {
    if (!isCode(error, noConsumer)) throw error
    await manager.consumers.add(stream, {
      durable_name: consumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(30_000),
      max_deliver: -1,
      max_ack_pending: 5_000,
    })
  }
}

async function receiveSome(
  connection: NatsConnection,
  _manager: JetStreamManager,
  get: () => Promise<Consumer>,
  receive: (messages: Message[]) => Promise<void>,
  signal: AbortSignal,
  repair: () => Promise<void>,
): Promise<void> {
  let consumer: Consumer
  try {
    consumer = await get()
  } catch (error) {
    if (!isCode(error, noStream) && !isCode(error, noConsumer)) throw error
    return repair()
  }
  while (!signal.aborted && !connection.isClosed()) {
    const first = await consumer.next({ expires: 1_000 })
    if (!first) return
    const messages: JsMsg[] = [first]
    if (first.info.pending > 0) {
      for await (const message of await consumer.fetch({
        max_messages: Math.min(batch, first.info.pending),
        expires: 1_000,
      }))
        messages.push(message)
    }
    try {
      await receive(messages.map(messageOf))
    } catch (error) {
      for (const message of messages) message.nak(500)
      throw error
    }
    for (const message of messages) message.ack()
  }
}

function messageOf(message: JsMsg): Message {
  const value = (name: string) => message.headers?.get(name) ?? ''
  return {
    id: value('Offshoot-Id'),
    tenant: value('Offshoot-Tenant'),
    signature: value('Offshoot-Signature'),
    body: message.string(),
  }
}

function isCode(error: unknown, code: number): boolean {
  return (error as { code?: unknown }).code === code
}
