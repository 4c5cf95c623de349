import { setTimeout as sleep } from 'node:timers/promises'
import {
  AckPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import { connect, createInbox, headers, type Msg, type NatsConnection, nanos } from '@nats-io/transport-node'
import type { Message } from './envelope.ts'
import { startLoop } from './loop.ts'
import type { Transport } from './transport.ts'

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
/** In ms. */
const answerWithin = 5_000

/** A stream's description, which tells whether the history of its source was published to it; NATS 2.9 has no metadata yet. */
const filled = 'Events of a domain, with the history that its outbox had.'
const toBeFilled = 'Events of a domain; the history that its outbox has is still to be published.'

interface Broker {
  connection: NatsConnection
  streams: JetStreamClient
  manager: JetStreamManager
}

/**
 * Messages in NATS JetStream: a stream for each source, a durable pull consumer for each consuming domain. Whoever needs a stream makes it. The connection is made,
 * and made again, for ever; meanwhile publishing fails and is tried again, since the outbox keeps everything. So a process starts without the broker as well.
 */
export async function natsTransport({ url, onTrouble, prefix = 'offshoot' }: NatsTransportOptions): Promise<Transport> {
  const closing = new AbortController()
  /** While it can be reached. */
  let broker: Broker | undefined
  let connection: NatsConnection | undefined
  /** Sources whose streams are known to be there and filled; asked again whenever the broker was away, since it may have lost them. */
  const prepared = new Set<string>()
  const subjectOf = (source: string) => `${prefix}.${source}`
  const streamOf = (source: string) => `${prefix}_${source}`

  /** Until it is closed; `attempted` is told when the first attempt is over, whether it led to a connection or not. */
  async function keepConnected(attempted: () => void): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; failures++) {
      try {
        connection = await connect({
          servers: url.split(','),
          maxReconnectAttempts: -1,
          reconnectTimeWait: 250,
          ignoreAuthErrorAbort: true,
          timeout: answerWithin,
        })
        if (closing.signal.aborted) return await connection.close()
        const made = {
          connection,
          streams: jetstream(connection, { timeout: answerWithin }),
          manager: await jetstreamManager(connection, { timeout: answerWithin, checkAPI: false }),
        }
        broker = made
        attempted()
        if (failures > 0) onTrouble(undefined)
        failures = 0
        for await (const { type } of connection.status()) {
          if (type === 'disconnect') {
            broker = undefined
            prepared.clear()
            onTrouble(new Error('The connection to NATS was lost.'))
          } else if (type === 'reconnect') {
            broker = made
            onTrouble(undefined)
          } else if (type === 'close') break
        }
      } catch (error) {
        attempted()
        if (failures === 0) onTrouble(error)
      }
      broker = undefined
      await sleep(250, undefined, { signal: closing.signal }).catch(() => {})
    }
  }
  let connected: Promise<void> | undefined
  await new Promise<void>((attempted) => {
    connected = keepConnected(attempted)
  })

  function reach(): Broker {
    if (!broker) throw new Error('NATS cannot be reached.')
    return broker
  }

  /** Whether the stream's history is in it. */
  async function ensureStream({ manager }: Broker, source: string): Promise<boolean> {
    try {
      return (await manager.streams.info(streamOf(source))).config.description === filled
    } catch (error) {
      if (!isCode(error, noStream)) throw error
    }
    await manager.streams.add({
      name: streamOf(source),
      description: toBeFilled,
      subjects: [subjectOf(source)],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(7 * day),
      duplicate_window: nanos(2 * 60_000),
    })
    return false
  }

  return {
    system: 'nats',

    async prepare(source, refill) {
      if (prepared.has(source)) return
      const reached = reach()
      if (!(await ensureStream(reached, source))) {
        await refill()
        await reached.manager.streams.update(streamOf(source), { description: filled })
      }
      if (reached === broker) prepared.add(source)
    },

    async publish(source, messages) {
      const { connection } = reach()
      try {
        await publishAll(connection, subjectOf(source), messages)
      } catch (error) {
        prepared.delete(source) // without a stream nobody answers on the subject
        throw error
      }
    },

    // The stream keeps what is published until the consumer is there: nothing is missed when the broker is away now.
    async subscribe(consumer, sources, receive) {
      const loops = sources.map((source) =>
        startLoop({
          idle: 0,
          onTrouble,
          async work(signal) {
            const reached = reach()
            await ensureStream(reached, source)
            await ensureConsumer(reached.manager, streamOf(source), consumer)
            await consume(reached, streamOf(source), consumer, receive, signal)
            return true
          },
        }),
      )
      return {
        async stop() {
          await Promise.all(loops.map((loop) => loop.stop()))
        },
      }
    },

    async ping() {
      reach()
      await connection?.flush()
    },

    async close() {
      closing.abort()
      await connection?.close()
      await connected
    },
  }
}

/** Resolves when the stream has them all. One inbox for all answers: with a request for each, as the client's own `publish` makes, half of the time went into requests. */
async function publishAll(connection: NatsConnection, subject: string, messages: readonly Message[]): Promise<void> {
  const reply = createInbox()
  const { promise: kept, resolve, reject } = Promise.withResolvers<void>()
  let missing = messages.length
  const answers = connection.subscribe(reply, {
    callback(error, answer) {
      const failure = error ?? failureOf(answer)
      if (failure) reject(failure)
      else if (--missing === 0) resolve()
    },
  })
  const late = setTimeout(() => reject(new Error(`NATS did not answer within ${answerWithin} ms.`)), answerWithin)
  try {
    for (const { id, tenant, body, signature } of messages) {
      const head = headers()
      head.set('Nats-Msg-Id', id)
      head.set('Offshoot-Id', id)
      head.set('Offshoot-Tenant', tenant)
      head.set('Offshoot-Signature', signature)
      connection.publish(subject, body, { reply, headers: head })
    }
    await kept
  } finally {
    clearTimeout(late)
    answers.unsubscribe()
  }
}

/** What an answer to a publication says when the message was not kept. */
function failureOf(answer: Msg): Error | undefined {
  if (answer.headers?.code === 503) return new Error('NATS has no stream for these events.')
  const { error } = answer.json<{ error?: { description: string } }>()
  return error && new Error(`NATS did not keep an event: ${error.description}`)
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

/** Receives until it is stopped, or until the stream or the consumer is gone. */
async function consume(
  { streams }: Broker,
  stream: string,
  name: string,
  receive: (messages: Message[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const waiting: JsMsg[] = []
  let rouse = () => {}
  let over = false
  const consumer = await streams.consumers.get(stream, name)
  const delivery = await consumer.consume({
    max_messages: 2 * batch,
    expires: 5_000,
    abort_on_missing_resource: true,
    callback(message) {
      waiting.push(message)
      rouse()
    },
  })
  const end = () => {
    over = true
    rouse()
  }
  signal.addEventListener('abort', end)
  void delivery.closed().then(end)
  try {
    while (!over && !signal.aborted) {
      if (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          rouse = resolve
        })
        continue
      }
      const messages = waiting.slice(0, batch)
      await receive(messages.map(messageOf))
      for (const message of waiting.splice(0, messages.length)) message.ack()
    }
  } finally {
    signal.removeEventListener('abort', end)
    for (const message of waiting) message.nak(signal.aborted ? undefined : 500)
    await delivery.close()
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
