/**
 * Every signal that a process emits: the names by which people search for spans, draw metrics and write alerts. A signal that does not stand here cannot be emitted
 * by our code, and `docs/telemetry.md` is made from it. Names and units are those of OpenTelemetry's semantic conventions (1.45) where there are any; ours begin with `offshoot.`.
 */

interface SpanDeclaration {
  /** What stands in braces varies. */
  name: string
  kind: 'server' | 'client' | 'internal' | 'producer' | 'consumer'
  about: string
  attributes: readonly string[]
}

interface MetricDeclaration {
  instrument: 'histogram' | 'counter' | 'gauge'
  /** In the notation of UCUM. */
  unit: string
  about: string
  /** Each has few values, whoever asks for what: never a tenant, a user or an id. */
  labels: readonly string[]
}

export const spans = {
  'http.request': {
    name: '{method} {route}',
    kind: 'server',
    about: 'A request, until the last byte of its answer.',
    attributes: [
      'http.request.method',
      'http.request.method_original',
      'http.route',
      'http.response.status_code',
      'url.scheme',
      'url.path',
      'server.address',
      'server.port',
      'network.protocol.version',
      'offshoot.request.id',
      'tenant.id',
      'error.type',
    ],
  },
  'graphql.operation': {
    name: '{type} {name}',
    kind: 'internal',
    about: 'A GraphQL operation: its document read and checked, its fields resolved.',
    attributes: [
      'graphql.operation.type',
      'graphql.operation.name',
      'graphql.document.hash',
      'tenant.id',
      'error.type',
    ],
  },
  'graphql.field': {
    name: 'resolve {field}',
    kind: 'internal',
    about:
      'A field whose resolver did work: something began within it, or it waited as the first of its name. Fields that only read a value have no span, nor have those that wait for what another one has asked for.',
    attributes: ['graphql.field.name', 'graphql.field.path', 'error.type'],
  },
  'rpc.call': {
    name: '{domain}.{call}',
    kind: 'internal',
    about: 'A call to a domain, on its side: identity, permission, validation, the use case.',
    attributes: ['rpc.system.name', 'rpc.method', 'domain', 'tenant.id', 'error.type'],
  },
  'rpc.send': {
    name: 'call {domain}.{call}',
    kind: 'client',
    about: 'A call to a domain in another process, on the caller’s side.',
    attributes: ['rpc.system.name', 'rpc.method', 'domain', 'error.type'],
  },
  'db.transaction': {
    name: 'transaction {domain}',
    kind: 'internal',
    about: 'A transaction of a use case or a handler, from waiting for a connection to its end.',
    attributes: ['domain', 'tenant.id', 'error.type'],
  },
  'db.statement': {
    name: '{operation} {target}',
    kind: 'client',
    about: 'A statement, with the time that it waited for a connection. Its text has placeholders, never values.',
    attributes: [
      'db.system.name',
      'db.namespace',
      'db.operation.name',
      'db.collection.name',
      'db.query.summary',
      'db.query.text',
      'db.response.status_code',
      'server.address',
      'server.port',
      'domain',
      'tenant.id',
      'error.type',
    ],
  },
  'event.create': {
    name: 'create {event}',
    kind: 'producer',
    about:
      'An event was emitted: it is in the outbox if its transaction commits. What handles it is part of this span’s trace.',
    attributes: [
      'messaging.operation.name',
      'messaging.operation.type',
      'messaging.destination.name',
      'messaging.message.id',
      'domain',
      'tenant.id',
    ],
  },
  'event.send': {
    name: 'send {event}',
    kind: 'producer',
    about: 'An event was published from the outbox to the transport.',
    attributes: [
      'messaging.system',
      'messaging.operation.name',
      'messaging.operation.type',
      'messaging.destination.name',
      'messaging.message.id',
      'messaging.batch.message_count',
      'domain',
      'tenant.id',
      'error.type',
    ],
  },
  'event.process': {
    name: 'process {event}',
    kind: 'consumer',
    about:
      'A handler worked on an event, in the event’s trace, or on several of them: those of several traces it links to. Where they are of several kinds the handler’s name stands for the event’s.',
    attributes: [
      'messaging.system',
      'messaging.operation.name',
      'messaging.operation.type',
      'messaging.destination.name',
      'messaging.message.id',
      'messaging.batch.message_count',
      'messaging.consumer.group.name',
      'offshoot.event.attempt',
      'domain',
      'tenant.id',
      'error.type',
    ],
  },
  'mail.send': {
    name: 'send mail',
    kind: 'client',
    about: 'A mail was handed to the mail server, or caught in development.',
    attributes: ['offshoot.mail.message_id', 'error.type'],
  },
  'schedule.run': {
    name: 'run {schedule}',
    kind: 'internal',
    about: 'Work that the clock asked for.',
    attributes: ['offshoot.schedule', 'domain', 'error.type'],
  },
} as const satisfies Record<string, SpanDeclaration>

/** What happens within a span. */
export const spanEvents = {
  exception: {
    about: 'An error that nobody expected, or that ended the work. Its message is without personal data.',
    attributes: ['exception.type', 'exception.message', 'exception.stacktrace'],
  },
  'feature_flag.evaluation': {
    about: 'A flag was asked for.',
    attributes: [
      'feature_flag.key',
      'feature_flag.provider.name',
      'feature_flag.result.variant',
      'feature_flag.result.reason',
    ],
  },
} as const

export const metrics = {
  'http.server.request.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long requests took.',
    labels: ['http.request.method', 'http.route', 'http.response.status_code'],
  },
  'graphql.server.operation.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long GraphQL operations took. `error.type` is the first error’s code.',
    labels: ['graphql.operation.type', 'tenant.plan', 'error.type'],
  },
  'graphql.server.field.duration': {
    instrument: 'histogram',
    unit: 's',
    about:
      'How long the fields of Query and Mutation took: operations as the schema names them, since their own names are anybody’s.',
    labels: ['graphql.field.name', 'error.type'],
  },
  'rpc.server.call.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long calls to domains took.',
    labels: ['rpc.method', 'domain', 'tenant.plan', 'error.type'],
  },
  'db.client.operation.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long statements of lanes took, with the time that they waited for a connection.',
    labels: ['domain', 'db.operation.name', 'error.type'],
  },
  'db.client.connection.count': {
    instrument: 'gauge',
    unit: '{connection}',
    about: 'Open connections.',
    labels: ['domain', 'db.client.connection.pool.name', 'db.client.connection.state'],
  },
  'db.client.connection.max': {
    instrument: 'gauge',
    unit: '{connection}',
    about: 'How many connections a pool may open.',
    labels: ['domain', 'db.client.connection.pool.name'],
  },
  'db.client.connection.pending_requests': {
    instrument: 'gauge',
    unit: '{request}',
    about: 'Who waits for a connection.',
    labels: ['domain', 'db.client.connection.pool.name'],
  },
  'db.client.connection.wait_time': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long transactions waited for a connection.',
    labels: ['domain', 'db.client.connection.pool.name'],
  },
  'offshoot.lane.count': {
    instrument: 'gauge',
    unit: '{lane}',
    about: 'Lanes: in use by a unit of work, or kept for the next.',
    labels: ['domain', 'offshoot.lane.state'],
  },
  'messaging.client.sent.messages': {
    instrument: 'counter',
    unit: '{message}',
    about: 'Events that were published from the outbox.',
    labels: ['messaging.system', 'domain', 'messaging.destination.name', 'error.type'],
  },
  'messaging.process.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long a handler took for an event, or for a batch of them.',
    labels: ['domain', 'offshoot.handler', 'error.type'],
  },
  'offshoot.event.delay': {
    instrument: 'histogram',
    unit: 's',
    about: 'From the time that an event was emitted until it was handled.',
    labels: ['domain', 'offshoot.handler'],
  },
  'offshoot.event.failures': {
    instrument: 'counter',
    unit: '{failure}',
    about: 'Attempts that failed: `retry` will be tried again, `dead` will not.',
    labels: ['domain', 'offshoot.handler', 'offshoot.event.outcome'],
  },
  'offshoot.outbox.unpublished': {
    instrument: 'gauge',
    unit: '{event}',
    about: 'Events that wait for their publication. Every process that hosts the domain tells the same.',
    labels: ['domain'],
  },
  'offshoot.outbox.age': {
    instrument: 'gauge',
    unit: 's',
    about: 'How long the oldest of them has waited; 0 when none does.',
    labels: ['domain'],
  },
  'offshoot.inbox.waiting': {
    instrument: 'gauge',
    unit: '{event}',
    about:
      'Events that wait for their handler, those behind a dead one included. Every process that hosts the domain tells the same.',
    labels: ['domain', 'offshoot.handler'],
  },
  'offshoot.inbox.age': {
    instrument: 'gauge',
    unit: 's',
    about: 'How long the oldest of them has waited; 0 when none does.',
    labels: ['domain', 'offshoot.handler'],
  },
  'offshoot.event.dead': {
    instrument: 'gauge',
    unit: '{event}',
    about: 'Dead events: each parks its aggregate until it is replayed or discarded.',
    labels: ['domain', 'offshoot.handler'],
  },
  'offshoot.saga.open': {
    instrument: 'gauge',
    unit: '{saga}',
    about:
      'Processes over several domains that have begun and not ended. Every process that hosts the domain tells the same.',
    labels: ['domain', 'offshoot.saga'],
  },
  'offshoot.saga.age': {
    instrument: 'gauge',
    unit: 's',
    about: 'How long ago the oldest of them began; 0 when none is open.',
    labels: ['domain', 'offshoot.saga'],
  },
  'offshoot.schedule.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long the work took that the clock asked for.',
    labels: ['domain', 'offshoot.schedule', 'error.type'],
  },
  'offshoot.flag.evaluations': {
    instrument: 'counter',
    unit: '{evaluation}',
    about: 'How often flags were asked for, and what the answer was.',
    labels: ['feature_flag.key', 'feature_flag.result.variant', 'feature_flag.result.reason'],
  },
  'offshoot.mail.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long it took to hand over a mail.',
    labels: ['error.type'],
  },
  'process.memory.usage': {
    instrument: 'gauge',
    unit: 'By',
    about: 'Resident memory of the process.',
    labels: [],
  },
  'process.uptime': {
    instrument: 'gauge',
    unit: 's',
    about: 'How long the process has run.',
    labels: [],
  },
} as const satisfies Record<string, MetricDeclaration>

/** What `@opentelemetry/instrumentation-runtime-node` tells of Node and V8. It makes these instruments itself; the names stand here for dashboards, alerts and documentation. */
export const runtimeMetrics = {
  'nodejs.eventloop.utilization': {
    instrument: 'gauge',
    unit: '1',
    about: 'Which share of the time the event loop was busy, since the last reading.',
    labels: [],
  },
  'nodejs.eventloop.time': {
    instrument: 'counter',
    unit: 's',
    about: 'How long the event loop has been busy, and idle.',
    labels: ['nodejs.eventloop.state'],
  },
  'nodejs.eventloop.delay.min': {
    instrument: 'gauge',
    unit: 's',
    about: 'The shortest delay of a timer since the last reading. It includes the 10 ms at which delays are looked at.',
    labels: [],
  },
  'nodejs.eventloop.delay.max': { instrument: 'gauge', unit: 's', about: 'The longest such delay.', labels: [] },
  'nodejs.eventloop.delay.mean': { instrument: 'gauge', unit: 's', about: 'The mean of them.', labels: [] },
  'nodejs.eventloop.delay.stddev': {
    instrument: 'gauge',
    unit: 's',
    about: 'Their standard deviation.',
    labels: [],
  },
  'nodejs.eventloop.delay.p50': { instrument: 'gauge', unit: 's', about: 'Half of them were shorter.', labels: [] },
  'nodejs.eventloop.delay.p90': {
    instrument: 'gauge',
    unit: 's',
    about: 'Nine of ten were shorter.',
    labels: [],
  },
  'nodejs.eventloop.delay.p99': {
    instrument: 'gauge',
    unit: 's',
    about: '99 of 100 were shorter.',
    labels: [],
  },
  'v8js.gc.duration': {
    instrument: 'histogram',
    unit: 's',
    about: 'How long collecting garbage took.',
    labels: ['v8js.gc.type'],
  },
  'v8js.memory.heap.space.size': {
    instrument: 'gauge',
    unit: 'By',
    about: 'How large a space of the heap is.',
    labels: ['v8js.heap.space.name'],
  },
  'v8js.memory.heap.used': {
    instrument: 'gauge',
    unit: 'By',
    about: 'How much of it is in use.',
    labels: ['v8js.heap.space.name'],
  },
  'v8js.memory.heap.space.available_size': {
    instrument: 'gauge',
    unit: 'By',
    about: 'How much of it is free.',
    labels: ['v8js.heap.space.name'],
  },
  'v8js.memory.heap.space.physical_size': {
    instrument: 'gauge',
    unit: 'By',
    about: 'How much memory it has from the operating system.',
    labels: ['v8js.heap.space.name'],
  },
  'v8js.resource.active': {
    instrument: 'gauge',
    unit: '{resource}',
    about: 'What keeps the process from ending: sockets, timers, files.',
    labels: ['v8js.resource.type'],
  },
} as const satisfies Record<string, MetricDeclaration>

export type SpanKey = keyof typeof spans
export type MetricName = keyof typeof metrics
export type RuntimeMetricName = keyof typeof runtimeMetrics
type MetricsOf<Instrument extends MetricDeclaration['instrument']> = {
  [Name in MetricName]: (typeof metrics)[Name]['instrument'] extends Instrument ? Name : never
}[MetricName]
export type HistogramName = MetricsOf<'histogram'>
export type CounterName = MetricsOf<'counter'>
export type GaugeName = MetricsOf<'gauge'>
export type LabelsOf<Name extends MetricName> = {
  [Label in (typeof metrics)[Name]['labels'][number]]?: string | number
}
export type AttributesOf<Key extends SpanKey> = {
  [Attribute in (typeof spans)[Key]['attributes'][number]]?: string | number
}
